package cmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/netlab/script"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// A relay is a raw link and what is set on it, in the words of the verbs for
// links. Its two ways are called up, to the target, and down.
type relay struct {
	raw   *proxy.Raw
	clock *clock.Clock

	mu   sync.Mutex
	last uint64 // the number of the latest fault
	ways [2]link.Rules
}

// wayWords are the words for ways, and how a verb for links is told them.
var wayWords = []struct {
	word  string
	ways  []proxy.Way
	links []string
}{
	{"both", []proxy.Way{proxy.ToTarget, proxy.ToClient}, []string{"1", "2"}},
	{"up", []proxy.Way{proxy.ToTarget}, []string{"1", "to", "2"}},
	{"down", []proxy.Way{proxy.ToClient}, []string{"2", "to", "1"}},
}

// do does what a line says and returns what there is to say about it.
func (r *relay) do(line string) ([]string, error) {
	words, err := script.Split(line)
	if err != nil || len(words) == 0 {
		return nil, usageErrorf("%q is no line", clean(line)).WithHint("raftlab help proxy")
	}
	verb, rest := words[0], words[1:]
	switch {
	case verb == "faults":
		return r.list(), nil
	case verb == "stats":
		return []string{r.stats()}, nil
	case verb == "heal":
		return r.heal(rest)
	case verb == "reset" && len(rest) == 0:
		open := r.raw.Stats().Open
		r.raw.Reset()
		return []string{plural(open, "connection") + " broken"}, nil
	}
	switch verb {
	case "slow", "throttle", "corrupt", "reset", "cut", "blackhole":
		return r.set(verb, rest)
	}
	return nil, usageErrorf("%q is nothing that can be done to a stream of bytes", clean(verb)).
		WithHint("slow, throttle, corrupt, cut, blackhole, reset, heal, faults, stats, quit; raftlab help proxy")
}

// set sets a fault. The words are read as those of the verb for links.
func (r *relay) set(verb string, rest []string) ([]string, error) {
	way := wayWords[0]
	if len(rest) > 0 {
		for _, w := range wayWords {
			if w.word == rest[0] {
				way, rest = w, rest[1:]
				break
			}
		}
	}
	op, err := parseOp(quoteWords(slices.Concat([]string{verb}, way.links, rest)))
	if err != nil {
		e := userError(err)
		return nil, usageErrorf("%s: %s", verb, e.Message).WithHint("raftlab help proxy")
	}
	f, off, err := streamFault(&op)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if op.For > 0 {
		f.Match.Until = r.clock.Now() + raft.Time(op.For)
	}
	if !off {
		f.ID = r.last + 1
	}
	for _, w := range way.ways {
		rules := r.ways[w].Without(r.over)
		if off {
			rules = rules.Without(func(o link.Fault) bool { return o.Effect.Verb() == verb })
		} else {
			rules = rules.With(f)
		}
		if err := r.raw.SetFaults(w, rules.Faults); err != nil {
			return nil, usageErrorf("%v", err).WithHint("raftlab help proxy")
		}
		r.ways[w] = rules
	}
	if off {
		return []string{verb + " is off, " + way.word}, nil
	}
	r.last++
	return []string{r.text(f, way.word)}, nil
}

// over tells whether a fault has ended by itself.
func (r *relay) over(f link.Fault) bool { return f.Match.Until != 0 && f.Match.Until <= r.clock.Now() }

// text is a fault as the list has it.
func (r *relay) text(f link.Fault, way string) string {
	text := fmt.Sprintf("f%d  %-4s  %s", f.ID, way, f.Line(""))
	if f.Match.Until != 0 {
		text += "  (" + shortDuration(time.Duration(max(0, f.Match.Until-r.clock.Now())).Round(time.Millisecond)) + " left)"
	}
	return text
}

// list is what is set.
func (r *relay) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	up, down := r.ways[proxy.ToTarget].Without(r.over).Faults, r.ways[proxy.ToClient].Without(r.over).Faults
	hits := r.raw.Hits()
	type entry struct {
		f   link.Fault
		way string
	}
	var all []entry
	for _, f := range up {
		way := "up"
		if slices.ContainsFunc(down, f.Equal) {
			way = "both"
		}
		all = append(all, entry{f, way})
	}
	for _, f := range down {
		if !slices.ContainsFunc(up, f.Equal) {
			all = append(all, entry{f, "down"})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return int(a.f.ID) - int(b.f.ID) })
	lines := []string{"nothing is set"}
	if len(all) > 0 {
		lines = nil
	}
	for _, e := range all {
		line := r.text(e.f, e.way)
		if n := hits[e.f.ID].Acted; n > 0 {
			line += "  on " + plural(int(n), "chunk")
		}
		lines = append(lines, line)
	}
	return lines
}

// heal takes faults away: cuts and black holes, one by its number, or all.
func (r *relay) heal(words []string) ([]string, error) {
	drop := func(f link.Fault) bool { return link.Is[link.Cut](f) || link.Is[link.Blackhole](f) }
	if len(words) > 0 {
		id, err := strconv.ParseUint(strings.TrimPrefix(words[0], "f"), 10, 64)
		switch {
		case len(words) > 1 || words[0] != "--all" && words[0] != "all" && err != nil:
			return nil, usageErrorf("heal takes the number of a fault, or --all, not %q", clean(strings.Join(words, " "))).WithHint("faults lists them")
		case err == nil:
			drop = func(f link.Fault) bool { return f.ID == id }
		default:
			drop = func(link.Fault) bool { return true }
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := make(map[uint64]bool)
	for w := range r.ways {
		rules := r.ways[w].Without(r.over)
		for _, f := range rules.Faults {
			if drop(f) {
				gone[f.ID] = true
			}
		}
		rules = rules.Without(drop)
		if err := r.raw.SetFaults(proxy.Way(w), rules.Faults); err != nil {
			return nil, err
		}
		r.ways[w] = rules
	}
	if len(gone) == 0 {
		return []string{"nothing to heal"}, nil
	}
	return []string{plural(len(gone), "fault") + " gone"}, nil
}

// streamFault is the fault on a stream of bytes that op asks for. off tells that
// it takes one away: a delay or a rate of 0.
func streamFault(op *netlab.Op) (f link.Fault, off bool, err error) {
	if f.Effect, err = op.Effect(); err != nil {
		return f, false, err
	}
	switch op.Verb {
	case "slow":
		off = op.Delay == 0 && op.Jitter == 0 && len(op.Table) == 0
	case "throttle":
		off = op.Bytes == 0
	case "corrupt":
		off = op.Share == 0
	}
	if m := op.Match; m != nil {
		if len(m.Kinds) > 0 || m.Way != "" || m.Term != 0 || m.From != 0 || m.To != 0 {
			return f, false, usageErrorf("a stream of bytes has no kinds, terms and entries: of the limits it knows --every, --chance, --next and --for").WithHint("raftlab help proxy")
		}
		f.Match.Every, f.Match.Prob, f.Match.Next = m.Every, m.Prob, m.Next
	}
	if op.Verb == "reset" && f.Match == (link.Match{}) {
		f.Match.Next = 1 // as the verb has it
	}
	return f, off, nil
}
