package cmd

import (
	"fmt"
	"io"
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
	past []before // what undo goes back to, the latest last
}

// before is what was set before a line changed it.
type before struct {
	line string
	ways [2]link.Rules
}

// pastMax bounds how far undo goes back.
const pastMax = 100

// remember keeps what was set before a line. With mu held.
func (r *relay) remember(line string, ways [2]link.Rules) {
	if r.past = append(r.past, before{line, ways}); len(r.past) > pastMax {
		r.past = r.past[1:]
	}
}

// answer is what there is to say to a line. Of the fields for scripts each kind of
// line has its own.
type answer struct {
	Listen string       `json:"listen,omitempty"`
	Target string       `json:"target,omitempty"`
	Faults []relayFault `json:"faults,omitzero"`  // of faults, and of a line that sets one
	Off    string       `json:"off,omitempty"`    // the verb whose faults it takes away
	Healed []string     `json:"healed,omitzero"`  // numbers
	Undone string       `json:"undone,omitempty"` // a line
	Broken *int         `json:"broken,omitempty"` // connections
	Stats  *relayStats  `json:"stats,omitempty"`
	Help   []string     `json:"help,omitempty"`

	names, lines []string // with -q, and for people
}

// relayFault is a fault on a stream.
type relayFault struct {
	ID     string  `json:"id"`
	Way    string  `json:"way"`  // both, up, down
	Line   string  `json:"line"` // what sets it
	LeftMS float64 `json:"left_ms,omitempty"`
	Acted  uint64  `json:"acted"` // chunks
}

// relayStats are what has passed.
type relayStats struct {
	Connections uint64      `json:"connections"`
	Open        int         `json:"open"`
	Failed      uint64      `json:"failed"` // they did not reach the target
	Up          streamStats `json:"up"`
	Down        streamStats `json:"down"`
}

type streamStats struct {
	Bytes  uint64 `json:"bytes"`
	Chunks uint64 `json:"chunks"`
}

// tell prints it.
func (a *answer) tell(c *call) error {
	v := struct {
		Schema string `json:"schema"`
		*answer
	}{"raftlab.proxy/1", a}
	return c.emit(v, a.names, func(w io.Writer) error { return writeLines(w, a.lines) })
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
func (r *relay) do(line string) (*answer, error) {
	words, err := script.Split(line)
	if err != nil || len(words) == 0 {
		return nil, usageErrorf("%q is no line", clean(line)).WithHint("raftlab help proxy")
	}
	verb, rest := words[0], words[1:]
	switch {
	case verb == "help" && len(rest) == 0:
		lines := strings.Split(strings.TrimSuffix(proxyWords, "\n"), "\n")
		return &answer{Help: lines, lines: lines}, nil
	case verb == "faults" && len(rest) == 0:
		return r.list(), nil
	case verb == "stats" && len(rest) == 0:
		return r.stats(), nil
	case verb == "undo" && len(rest) == 0:
		return r.undo()
	case verb == "help" || verb == "faults" || verb == "stats" || verb == "undo":
		return nil, usageErrorf("%s takes nothing behind it, got %s", verb, clean(strings.Join(rest, " "))).WithHint("raftlab help proxy")
	case verb == "heal":
		return r.heal(line, rest)
	case verb == "reset" && len(rest) == 0:
		open := r.raw.Stats().Open
		r.raw.Reset()
		return &answer{Broken: &open, lines: []string{plural(open, "connection") + " broken"}}, nil
	}
	switch verb {
	case "slow", "throttle", "corrupt", "reset", "cut", "blackhole":
		return r.set(line, verb, rest)
	}
	return nil, usageErrorf("%q is nothing that can be done to a stream of bytes", clean(verb)).
		WithHint("slow, throttle, corrupt, cut, blackhole, reset, heal, undo, faults, stats, help, quit")
}

// set sets a fault. The words are read as those of the verb for links.
func (r *relay) set(line, verb string, rest []string) (*answer, error) {
	way := wayWords[0]
	if len(rest) > 0 {
		for _, w := range wayWords {
			if w.word == rest[0] {
				way, rest = w, rest[1:]
				break
			}
		}
	}
	if !wellFormed(verb, rest) {
		return nil, usageErrorf("%s takes %s, not %q", verb, streamArgs[verb], clean(strings.Join(rest, " "))).WithHint("raftlab help proxy")
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
	now := r.clock.Now()
	if op.For > 0 {
		f.Match.Until = now + raft.Time(op.For)
	}
	if !off {
		f.ID = r.last + 1
	}
	was := r.ways
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
	r.remember(line, was)
	if off {
		return &answer{Off: verb, lines: []string{verb + " is off, " + way.word}}, nil
	}
	r.last++
	return faultsAnswer([]relayFault{shown(f, way.word, now)}), nil
}

// streamArgs are what the lines that set faults take.
var streamArgs = map[string]string{
	"slow": "[up|down] DELAY[~JITTER] [DISTRIBUTION]", "throttle": "[up|down] RATE [--burst SIZE]", "corrupt": "[up|down] PERCENT",
	"cut": "[up|down]", "blackhole": "[up|down]", "reset": "[up|down], with --chance, --every or --next the chunks that do so",
}

// wellFormed tells whether there are as many words behind a verb as it takes, so
// that none can be read as a word for links, which the verb for links has there.
func wellFormed(verb string, words []string) bool {
	var args []string
	for i, w := range words {
		flag := i > 0 && strings.HasPrefix(words[i-1], "--") && !strings.Contains(words[i-1], "=")
		if !strings.HasPrefix(w, "--") && !flag {
			args = append(args, strings.ToLower(w))
		}
	}
	switch verb {
	case "slow":
		return len(args) == 1 || len(args) == 2 && (args[0] == tableWord || slices.Contains(netlab.Distributions(), args[1]))
	case "throttle", "corrupt":
		return len(args) == 1
	}
	return len(args) == 0
}

// over tells whether a fault has ended by itself.
func (r *relay) over(f link.Fault) bool { return f.Match.Until != 0 && f.Match.Until <= r.clock.Now() }

// shown is a fault as the list has it at this time.
func shown(f link.Fault, way string, now raft.Time) relayFault {
	s := relayFault{ID: fmt.Sprintf("f%d", f.ID), Way: way, Line: f.Line("")}
	if f.Match.Until != 0 {
		s.LeftMS = time.Duration(max(0, f.Match.Until-now)).Seconds() * 1000
	}
	return s
}

// faultsAnswer lists faults.
func faultsAnswer(faults []relayFault) *answer {
	a := &answer{Faults: faults}
	for _, f := range faults {
		text := fmt.Sprintf("%s  %-4s  %s", f.ID, f.Way, f.Line)
		if f.LeftMS != 0 {
			left := time.Duration(f.LeftMS * float64(time.Millisecond)).Round(time.Millisecond)
			text += "  (" + shortDuration(left) + " left)"
		}
		if f.Acted > 0 {
			text += "  on " + plural(int(f.Acted), "chunk")
		}
		a.names, a.lines = append(a.names, f.ID), append(a.lines, text)
	}
	return a
}

// list is what is set.
func (r *relay) list() *answer {
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
	faults, now := make([]relayFault, len(all)), r.clock.Now()
	for i, e := range all {
		faults[i] = shown(e.f, e.way, now)
		faults[i].Acted = hits[e.f.ID].Acted
	}
	a := faultsAnswer(faults)
	if len(all) == 0 {
		a.lines = []string{"nothing is set"}
	}
	return a
}

// heal takes faults away: cuts and black holes, one by its number, or all.
func (r *relay) heal(line string, words []string) (*answer, error) {
	drop := func(f link.Fault) bool { return link.Is[link.Cut](f) || link.Is[link.Blackhole](f) }
	id := uint64(0)
	if len(words) > 0 {
		var err error
		id, err = strconv.ParseUint(strings.TrimPrefix(words[0], "f"), 10, 64)
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
	var gone []uint64
	was := r.ways
	for w := range r.ways {
		rules := r.ways[w].Without(r.over)
		for _, f := range rules.Faults {
			if drop(f) && !slices.Contains(gone, f.ID) {
				gone = append(gone, f.ID)
			}
		}
		rules = rules.Without(drop)
		if err := r.raw.SetFaults(proxy.Way(w), rules.Faults); err != nil {
			return nil, err
		}
		r.ways[w] = rules
	}
	if len(gone) == 0 && id != 0 {
		return nil, usageErrorf("no fault has the number f%d", id).WithHint("faults lists them")
	}
	slices.Sort(gone)
	a := &answer{Healed: []string{}, lines: []string{"nothing to heal"}}
	for _, id := range gone {
		a.Healed = append(a.Healed, fmt.Sprintf("f%d", id))
	}
	if a.names = a.Healed; len(gone) > 0 {
		r.remember(line, was)
		a.lines = []string{plural(len(gone), "fault") + " gone"}
	}
	return a, nil
}

// undo takes the last change back.
func (r *relay) undo() (*answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.past) == 0 {
		return &answer{lines: []string{"nothing to undo"}}, nil
	}
	last := r.past[len(r.past)-1]
	for w, rules := range last.ways {
		rules = rules.Without(r.over)
		if err := r.raw.SetFaults(proxy.Way(w), rules.Faults); err != nil {
			return nil, err
		}
		r.ways[w] = rules
	}
	r.past = r.past[:len(r.past)-1]
	return &answer{Undone: last.line, lines: []string{"undone: " + clean(last.line)}}, nil
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
