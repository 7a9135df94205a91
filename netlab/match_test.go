package netlab

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/wire"
)

func TestKindWords(t *testing.T) {
	for _, c := range []struct {
		words string
		want  string // the kinds, "" for all
	}{
		{"", ""},
		{"append", "append append-reply"},
		{"append,request", "append"},
		{"Append Reply", "append-reply"},
		{"vote", "vote vote-reply"},
		{"vote,prevote reply", "vote-reply prevote-reply"},
		{"heartbeat", "heartbeat"},
		{"snapshot,request", "snapshot"},
		{"read", "read-index read-index-reply"},
		{"transfer", "timeout-now"},
		{"append-reply,heartbeat", "append-reply heartbeat"},
		{"reply", "vote-reply prevote-reply append-reply snapshot-reply read-index-reply"},
		{"read-index-reply,timeout-now", "timeout-now read-index-reply"},
	} {
		kinds, way, err := ParseKinds([]string{c.words})
		if err != nil {
			t.Errorf("%q: %s", c.words, told(err))
			continue
		}
		m := Match{Kinds: kinds, Way: way}
		if got := strings.Join(kindNames(m.frames()), " "); got != c.want {
			t.Errorf("%q names %q, want %q", c.words, got, c.want)
		}
		rule := m.rule(0)
		for _, k := range raftKinds() {
			told := c.want == "" || slices.Contains(strings.Fields(c.want), k.String())
			in := (rule.Kinds == 0 || rule.Kinds.Has(k)) && (rule.Way == link.BothWays || k.Reply() == (rule.Way == link.Replies))
			if told != in {
				t.Errorf("%q: a link's rule has %v: %v", c.words, k, in)
			}
		}
	}
	// Whatever a frame is called in `frames` can be said to --kind.
	for k := wire.KindVote; k.Raft(); k++ {
		if _, _, err := ParseKinds([]string{k.String()}); err != nil {
			t.Error(told(err))
		}
		if !slices.Contains(KindNames(), k.String()) {
			t.Errorf("%v is not among the names", k)
		}
	}
}

func TestMatchesInWords(t *testing.T) {
	for _, c := range []struct {
		match        Match
		flags, words string
	}{
		{Match{}, "", ""},
		{Match{Every: 1, Prob: 1}, "", ""},
		{Match{Kinds: []string{"vote", "append"}}, " --kind append,vote", "only append and vote"},
		{Match{Kinds: []string{"append", "append", "request"}}, " --kind append --request", "only append, only requests"},
		{Match{Way: WayReply}, " --reply", "only replies"},
		{Match{Term: 3, From: 7, To: 7}, " --term 3 --index 7", "term 3, entry 7"},
		{Match{From: 7}, " --index 7-", "entries from 7 on"},
		{Match{To: 9}, " --index 1-9", "entries 1-9"},
		{Match{Every: 3, Prob: .125, Next: 2}, " --every 3 --chance 12.5% --next 2", "one in 3, each with a chance of 12.5%, the next 2"},
	} {
		m, err := c.match.settled()
		if err != nil {
			t.Errorf("%+v: %s", c.match, told(err))
			continue
		}
		if m.flags() != c.flags || m.words() != c.words {
			t.Errorf("%+v is %q, %q; want %q, %q", c.match, m.flags(), m.words(), c.flags, c.words)
		}
		if m.Empty() != (c.flags == "") {
			t.Errorf("%+v: empty is %v", m, m.Empty())
		}
		if again, err := m.settled(); err != nil || again.flags() != c.flags {
			t.Errorf("settled twice %+v is %q, %v", c.match, again.flags(), err)
		}
	}
}

func TestFaultNames(t *testing.T) {
	for word, want := range map[string]int{"f1": 1, "F12": 12, "f0": 0, "f": 0, "1": 0, "f-1": 0, "f+1": 0, "followers": 0, "f1x": 0, "f99999999999": 0} {
		if id, ok := ParseFault(word); ok != (want > 0) || ok && id != want {
			t.Errorf("%q is fault %d, %v; want %d", word, id, ok, want)
		}
	}
}

// A linkSet does what a map of links would.
func TestLinkSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := rapid.IntRange(1, NodesMax)
		some := func(name string) (map[ends]bool, linkSet) {
			m, s := make(map[ends]bool), linkSet{}
			for range rapid.IntRange(0, 60).Draw(t, name) {
				e := ends{node.Draw(t, "from"), node.Draw(t, "to")}
				m[e] = true
				s.add(e)
			}
			return m, s
		}
		a, as := some("a")
		b, bs := some("b")
		id := node.Draw(t, "node")
		for _, c := range []struct {
			name string
			got  linkSet
			want func(ends) bool
		}{
			{"itself", as, func(e ends) bool { return a[e] }},
			{"or", as.or(bs), func(e ends) bool { return a[e] || b[e] }},
			{"and", as.and(bs), func(e ends) bool { return a[e] && b[e] }},
			{"minus", as.minus(bs), func(e ends) bool { return a[e] && !b[e] }},
			{"without", as.without(id), func(e ends) bool { return a[e] && e.from != id && e.to != id }},
			{"among everything", as.and(everything), func(e ends) bool { return a[e] }},
		} {
			var want []ends
			for from := 1; from <= NodesMax; from++ {
				for to := 1; to <= NodesMax; to++ {
					if e := (ends{from, to}); c.want(e) {
						want = append(want, e)
					}
				}
			}
			if got := c.got.list(); !slices.Equal(got, want) || c.got.len() != len(want) || c.got.empty() != (len(want) == 0) || setOf(got) != c.got {
				t.Fatalf("%s: %v, want %v", c.name, got, want)
			}
		}
	})
}

// However faults are set, healed and undone, a link is told of one fault for
// each effect and set of frames, the latest; a fault is on the links it says;
// and undoing everything leaves nothing.
func TestAnySequenceOfFaults(t *testing.T) {
	l := fakeLab(t, 3)
	rapid.Check(t, func(t *rapid.T) {
		l.do(t.Context(), &Op{Verb: "heal", All: true})
		l.mu.Lock()
		l.faults.past = nil
		l.mu.Unlock()
		links := rapid.SampledFrom([]string{"all", "1", "1 to 2", "2 3", "3 to all", "all to 1"})
		verbs := []string{"cut", "slow", "lose", "corrupt", "heal", "heal all", "undo", "partition"}
		for range rapid.IntRange(1, 30).Draw(t, "ops") {
			op := Op{Verb: rapid.SampledFrom(verbs).Draw(t, "verb"), Links: []string{links.Draw(t, "links")}}
			share := float64(rapid.IntRange(0, 3).Draw(t, "share")) / 4
			switch op.Verb {
			case "lose":
				op.Loss = share
			case "corrupt":
				op.Share = share
			}
			if rapid.Bool().Draw(t, "limited") && op.Verb != "heal" {
				op.Match = &Match{Term: uint64(rapid.IntRange(1, 2).Draw(t, "term"))}
			}
			switch op.Verb {
			case "partition":
				op = Op{Verb: "partition", Sides: [][]string{{rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "side")}}}
			case "heal all":
				op = Op{Verb: "heal", All: true}
			case "undo":
				op = Op{Verb: "undo"}
			}
			if _, err := l.do(t.Context(), &op); err != nil {
				t.Fatalf("%+v: %s", op, told(err))
			}
			checkFaults(t, l)
		}
		for l.status().Undo != "" {
			if _, err := l.do(t.Context(), &Op{Verb: "undo"}); err != nil {
				t.Fatal(told(err))
			}
			checkFaults(t, l)
		}
		if s := l.status(); len(s.Faults) > 0 || len(s.Partition) > 0 {
			t.Fatalf("after all is undone %q, partition %v", on(s), s.Partition)
		}
	})
}

func checkFaults(t *rapid.T, l *lab) {
	s := l.status()
	l.mu.Lock()
	defer l.mu.Unlock()
	told := make(map[uint64]linkSet)
	var walls linkSet
	for _, k := range l.faults.links {
		rules, err := l.engine.(*processes).proxy.Rules(nodeIDs([]int{k.from})[0], nodeIDs([]int{k.to})[0])
		if err != nil || !rules.Equal(k.rules) {
			t.Fatalf("link %v is told %+v, kept %+v, %v", k.ends, rules, k.rules, err)
		}
		if rules.Wall {
			walls.add(k.ends)
		}
		for i, f := range rules.Faults {
			set := told[f.ID]
			set.add(k.ends)
			told[f.ID] = set
			for _, o := range rules.Faults[:i] {
				if f.Replaces(o) {
					t.Fatalf("link %v has %v and %v", k.ends, o.Line(""), f.Line(""))
				}
			}
		}
	}
	parted := false
	for _, f := range s.Faults {
		var set linkSet
		for _, e := range f.Links {
			set.add(ends{e[0], e[1]})
		}
		want := told[uint64(f.ID)]
		if f.Verb == "partition" {
			want, parted = walls, true
		}
		if set != want || set.empty() {
			t.Fatalf("fault %+v is on %v", f, want.list())
		}
		delete(told, uint64(f.ID))
	}
	if len(told) > 0 || !parted && !walls.empty() || parted != (len(s.Partition) > 0) {
		t.Fatalf("links have %v and walls %v that no fault is; partition %v", told, walls.list(), s.Partition)
	}
}
