package netlab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// fault is one thing that somebody set on the network, as it was asked for. It
// does not change; where it is, is a setting's.
type fault struct {
	id    int
	verb  string // of the command line
	line  string // that command line
	match Match  // settled
	// rule is what links are told. A partition has no effect: it is a wall.
	rule  link.Fault
	begun bool // the lab was started with it: links that come later have it, too

	set   raft.Time
	until raft.Time // 0: until somebody takes it away
	over  bool      // it ended by itself, or whoever set it ended it: undo does not bring it back. Guarded by lab.mu
}

// same says of one link, or of many, that they are as they were to be made.
type same struct{ one, many string }

// of is what it says of so many links.
func (s same) of(n int) string {
	if n == 1 {
		return s.one
	}
	return s.many
}

// effectWords are what is said of links with an effect.
type effectWords struct {
	still  string // that they have it: still ...
	healed string // that some number of links do not have it any more
	off    string // the same, of links that are named
	none   same   // that they did not have it
}

// wallWords are those of a partition.
var wallWords = effectWords{"parted", "open again", "open again", same{"is open", "are open"}}

func wordsOf(e link.Effect) effectWords {
	switch e.(type) {
	case link.Cut:
		return effectWords{"cut", "reopened", "reopened", same{"is not cut", "are not cut"}}
	case link.Blackhole:
		return effectWords{"a black hole", "no longer a black hole", "no longer a black hole", same{"is no black hole", "are no black holes"}}
	case link.Hold:
		return effectWords{"held up", "no longer held up", "no longer held up", same{"is not held up", "are not held up"}}
	case link.Reset:
		return effectWords{"to be reset", "no longer to be reset", "no longer to be reset", same{"is not to be reset", "are not to be reset"}}
	case link.Delay:
		return effectWords{"slow", "no longer slow", "no longer delayed", same{"is not delayed", "are not delayed"}}
	case link.Loss:
		return effectWords{"lossy", "no longer lossy", "no longer lossy", same{"is not lossy", "are not lossy"}}
	case link.Duplicate:
		return effectWords{"doubling", "no longer doubling", "no longer doubling", same{"doubles nothing", "double nothing"}}
	case link.Reorder:
		return effectWords{"out of order", "in order again", "in order again", same{"keeps its order", "keep their order"}}
	case link.Corrupt:
		return effectWords{"corrupting", "no longer corrupting", "no longer corrupting", same{"corrupts nothing", "corrupt nothing"}}
	case link.Rate:
		return effectWords{"throttled", "no longer throttled", "no longer throttled", same{"is not throttled", "are not throttled"}}
	}
	return wallWords
}

func (f *fault) words() effectWords { return wordsOf(f.rule.Effect) }

func (f *fault) wall() bool { return f.rule.Effect == nil }

func (f *fault) holds() bool {
	_, holds := f.rule.Effect.(link.Hold)
	return holds
}

// shuts tells whether frames do not get through until somebody heals the link:
// what heal takes away without --all.
func (f *fault) shuts() bool {
	switch f.rule.Effect.(type) {
	case nil, link.Cut, link.Blackhole, link.Hold:
		return true
	}
	return false
}

// key is the same for two faults of which a link has one only.
func (f *fault) key() string {
	if f.wall() {
		return "partition"
	}
	return f.rule.Effect.Verb() + f.match.flags()
}

// text is what the fault is, in the words of a command line without the links.
func (f *fault) text() string {
	if f.wall() {
		return "partition"
	}
	return f.what() + f.match.flags()
}

// what is the text without its limits.
func (f *fault) what() string {
	if d, ok := f.rule.Effect.(link.Delay); ok && len(d.Values) > tableShown {
		return "slow " + delayWords(d)
	}
	return link.Fault{Effect: f.rule.Effect}.Line("")
}

// figure is how bad the fault is, in a word or two.
func (f *fault) figure() string {
	s := ""
	switch e := f.rule.Effect.(type) {
	case link.Loss:
		s = percent(e.Share)
	case link.Duplicate:
		s = percent(e.Share)
	case link.Reorder:
		s = percent(e.Share)
	case link.Corrupt:
		s = percent(e.Share)
	case link.Delay:
		s = delayWords(e)
	case link.Rate:
		s = link.Size(e.Bytes) + "/s"
	}
	if limits := f.match.words(); limits != "" {
		if s != "" {
			s += ", "
		}
		s += limits
	}
	return s
}

// sentence says what links are like now that they have the fault.
func (f *fault) sentence() string {
	s := f.does()
	limits := f.match.words()
	if f.until > 0 {
		if limits != "" {
			limits += "; "
		}
		limits += "for " + shortTime(time.Duration(f.until-f.set))
	}
	if limits != "" {
		s += " (" + limits + ")"
	}
	return s
}

func (f *fault) does() string {
	switch e := f.rule.Effect.(type) {
	case link.Cut:
		if !f.match.Empty() {
			return "cut for some frames"
		}
		return "cut: nothing passes"
	case link.Blackhole:
		if !f.match.Empty() {
			return "a black hole for some frames"
		}
		return "a black hole: frames go in, and none comes out"
	case link.Hold:
		return "frames are held until somebody lets them go"
	case link.Reset:
		return "a frame breaks the connection, and is lost with it"
	case link.Delay:
		s := "take " + delayWords(e)
		if e.Distribution != link.Uniform && e.Distribution != link.Table {
			s += ", distributed " + e.Distribution.String()
		}
		return s
	case link.Loss:
		s := "lose " + percent(e.Share) + " of their frames"
		if e.Burst > 0 {
			s += fmt.Sprintf(", %g in a row on average", e.Burst)
		}
		return s
	case link.Duplicate:
		s := "deliver " + percent(e.Share) + " of their frames twice"
		if e.After > 0 {
			s += ", the second time after " + shortTime(time.Duration(e.After))
		}
		return s
	case link.Reorder:
		s := "let others overtake " + percent(e.Share) + " of their frames"
		if e.By > 0 {
			s += ", which take " + shortTime(time.Duration(e.By)) + " longer"
		}
		return s
	case link.Corrupt:
		return "corrupt " + percent(e.Share) + " of their frames, which the receiver refuses"
	case link.Rate:
		return "carry " + link.Size(e.Bytes) + "/s at most"
	}
	return "parted"
}

// already says that links have the fault.
func (f *fault) already() same {
	verbs := func(one, many, rest string) same {
		return same{one + " " + rest + " already", many + " " + rest + " already"}
	}
	switch e := f.rule.Effect.(type) {
	case link.Cut:
		return verbs("is", "are", "cut")
	case link.Blackhole:
		return same{"is a black hole already", "are black holes already"}
	case link.Hold:
		return same{"holds these frames already", "hold these frames already"}
	case link.Reset:
		return verbs("is", "are", "to be reset")
	case link.Delay:
		return verbs("takes", "take", delayWords(e))
	case link.Loss:
		return verbs("loses", "lose", percent(e.Share))
	case link.Duplicate:
		return verbs("doubles", "double", percent(e.Share))
	case link.Reorder:
		return verbs("reorders", "reorder", percent(e.Share))
	case link.Corrupt:
		return verbs("corrupts", "corrupt", percent(e.Share))
	case link.Rate:
		return verbs("is", "are", "throttled to "+link.Size(e.Bytes)+"/s")
	}
	return verbs("is", "are", "parted")
}

// equal tells whether two faults do the same for as long.
func (f *fault) equal(o *fault) bool {
	a, b := f.rule, o.rule
	a.ID, b.ID = 0, 0
	return f.until == o.until && !f.wall() && !o.wall() && a.Equal(b)
}

// nothing tells whether a fault does nothing: asking for it takes away what
// links have of its kind.
func (f *fault) nothing() bool {
	switch e := f.rule.Effect.(type) {
	case link.Delay:
		return e.Mean == 0 && e.Jitter == 0 && e.Distribution != link.Table
	case link.Loss:
		return e.Share == 0
	case link.Duplicate:
		return e.Share == 0
	case link.Reorder:
		return e.Share == 0
	case link.Corrupt:
		return e.Share == 0
	case link.Rate:
		return e.Bytes == 0
	}
	return false
}

// faultName is how a command line names a fault.
func faultName(id int) string { return "f" + strconv.Itoa(id) }

// percent is a share in a sentence.
func percent(share float64) string { return fmt.Sprintf("%g %%", round(share*100)) }

// shortTime is a length of time as it is typed: 2s, 1m30s, 24h.
func shortTime(d time.Duration) string {
	s := d.String()
	for _, zero := range [...]string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// tableShown is how many values of a table a sentence has room for.
const tableShown = 8

// delayWords are the numbers of a delay in a sentence.
func delayWords(d link.Delay) string {
	if d.Distribution == link.Table {
		if len(d.Values) > tableShown {
			return fmt.Sprintf("one of %d delays from %v to %v", len(d.Values), time.Duration(slices.Min(d.Values)), time.Duration(slices.Max(d.Values)))
		}
		words := make([]string, len(d.Values))
		for i, v := range d.Values {
			words[i] = time.Duration(v).String()
		}
		if len(words) == 1 {
			return words[0]
		}
		return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	}
	return delayText(time.Duration(d.Mean), time.Duration(d.Jitter))
}

func delayText(delay, jitter time.Duration) string {
	if jitter == 0 {
		return delay.String()
	}
	return fmt.Sprintf("%v~%v", delay, jitter)
}
