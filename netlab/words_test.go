package netlab

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestNodeWords(t *testing.T) {
	for _, c := range []struct {
		name, word string
		want       NodeWord
		message    string
	}{
		{"a number is a node", "3", NodeWord{ID: 3}, ""},
		{"the paper's name is the same node", "S3", NodeWord{ID: 3}, ""},
		{"in small letters, too", "s3", NodeWord{ID: 3}, ""},
		{"leader is whoever leads", "Leader", NodeWord{Group: "leader"}, ""},
		{"followers, random and all are groups", "random", NodeWord{Group: "random"}, ""},
		{"the dead are one, too", "dead", NodeWord{Group: "dead"}, ""},
		{"0 is nobody", "0", NodeWord{}, `"0" is no node`},
		{"there is no negative node", "-1", NodeWord{}, `"-1" is no node`},
		{"a sign is no digit", "+1", NodeWord{}, `"+1" is no node`},
		{"S alone names nobody", "S", NodeWord{}, `"S" is no node`},
		{"an empty word names nobody", "", NodeWord{}, `"" is no node`},
		{"a number too large to be one", "99999999999999999999", NodeWord{}, `"99999999999999999999" is no node`},
		{"escapes are not shown raw", "\x1b[2J", NodeWord{}, `"\x1b[2J" is no node`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseNode(c.word)
			checkMessage(t, err, ExitUsage, c.message)
			if got != c.want {
				t.Errorf("ParseNode(%q) = %+v, want %+v", c.word, got, c.want)
			}
		})
	}
}

func TestLinkWords(t *testing.T) {
	one, two, all := NodeWord{ID: 1}, NodeWord{ID: 2}, NodeWord{Group: "all"}
	for _, c := range []struct {
		name, words string
		want        Links
		message     string
	}{
		{"two nodes are both directions", "1 2", Links{one, two, true}, ""},
		{"a comma is a space", "1,2", Links{one, two, true}, ""},
		{"to is one direction", "1 to 2", Links{one, two, false}, ""},
		{"an arrow is to", "1->2", Links{one, two, false}, ""},
		{"an arrow with spaces is, too", "1 -> 2", Links{one, two, false}, ""},
		{"a node alone is all its links", "1", Links{one, all, true}, ""},
		{"all is all", "all", Links{all, all, true}, ""},
		{"groups are nodes", "leader to followers", Links{NodeWord{Group: "leader"}, NodeWord{Group: "followers"}, false}, ""},
		{"three nodes are no link", "1 2 3", Links{}, `"1 2 3" names no links`},
		{"to needs an end", "1 to", Links{}, `"to" is no node`},
		{"an arrow needs an end", "1->", Links{}, `"to" is no node`},
		{"nothing is no link", "", Links{}, `"" names no links`},
		{"no node has a link to itself", "2 to S2", Links{}, "S2 has no link to itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseLinks(strings.Split(c.words, " "))
			checkMessage(t, err, ExitUsage, c.message)
			if got != c.want {
				t.Errorf("ParseLinks(%q) = %+v, want %+v", c.words, got, c.want)
			}
		})
	}
}

func TestSideWords(t *testing.T) {
	for _, c := range []struct {
		name, words string
		want        [][]string
		message     string
	}{
		{"words are one side", "2 4", [][]string{{"2", "4"}}, ""},
		{"a slash begins the next", "1,2 / 3,4", [][]string{{"1", "2"}, {"3", "4"}}, ""},
		{"also without spaces", "1/2/3", [][]string{{"1"}, {"2"}, {"3"}}, ""},
		{"a node may be said twice on its side", "S2 2", [][]string{{"2"}}, ""},
		{"groups are words, too", "leader", [][]string{{"leader"}}, ""},
		{"a node is on one side only", "1 2 / 2 3", nil, "2 is on two sides"},
		{"however it is spelled", "1 S2 / 2", nil, "2 is on two sides"},
		{"a side names somebody", "1 /", nil, "a side of the partition names no node"},
		{"so does the first", "/ 1", nil, "a side of the partition names no node"},
		{"nothing is no partition", "", nil, "a side of the partition names no node"},
		{"a typo is no node", "2 foru", nil, `"foru" is no node`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseSides(strings.Split(c.words, " "))
			checkMessage(t, err, ExitUsage, c.message)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("ParseSides(%q) = %v, want %v", c.words, got, c.want)
			}
		})
	}
}

// checkMessage fails unless err is an *Error with this code whose message
// contains the text; with no text, unless err is nil. Every such error has a
// next step, or the sentence itself says all there is to do.
func checkMessage(t *testing.T, err error, code int, text string) *Error {
	t.Helper()
	if text == "" {
		if err != nil {
			t.Fatalf("unexpected error: %s", told(err))
		}
		return nil
	}
	var e *Error
	switch {
	case err == nil:
		t.Fatalf("no error, want %q", text)
	case !errors.As(err, &e):
		t.Fatalf("error is no *Error: %v", err)
	case e.Code != code:
		t.Errorf("code %d of %q, want %d", e.Code, e.Message, code)
	}
	if !strings.Contains(e.Message, text) {
		t.Errorf("message %q, want it to say %q", e.Message, text)
	}
	return e
}
