package netlab

import (
	"math"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// Effect is what an operation that sets a fault on links does to their frames.
// Its error is an *Error of code 2.
func (op *Op) Effect() (link.Effect, error) {
	if err := op.checkFigures(); err != nil {
		return nil, err
	}
	switch op.Verb {
	case "cut":
		return link.Cut{}, nil
	case "blackhole":
		return link.Blackhole{}, nil
	case "reset":
		return link.Reset{}, nil
	case "slow":
		return op.delay()
	case "lose":
		return op.loss()
	case "duplicate":
		return link.Duplicate{Share: op.Share, After: raft.Duration(op.Delay)}, op.checkShare("delivers", "twice")
	case "reorder":
		return link.Reorder{Share: op.Share, By: raft.Duration(op.Delay)}, op.checkShare("delivers", "out of order")
	case "corrupt":
		return link.Corrupt{Share: op.Share}, op.checkShare("delivers", "corrupt")
	case "throttle":
		return op.rate()
	case "frame":
		return link.Hold{}, nil
	}
	return nil, Errorf(ExitUsage, "%s sets no fault on links", quote(op.Verb)).WithHint("raftlab help faults")
}

// figures are the fields, by their names in JSON, that say how strong a fault on
// links is.
var figures = map[string][]string{
	"slow": {"delay", "jitter", "distribution", "table"}, "lose": {"loss", "burst"}, "duplicate": {"share", "delay"},
	"reorder": {"share", "delay"}, "corrupt": {"share"}, "throttle": {"bytes", "burst"},
}

// checkFigures refuses figures that the fault does not have: who gives them, and
// not its own, would take a fault away where one was to be set.
func (op *Op) checkFigures() error {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"delay", op.Delay != 0}, {"jitter", op.Jitter != 0}, {"distribution", op.Distribution != ""}, {"table", len(op.Table) > 0},
		{"loss", op.Loss != 0}, {"share", op.Share != 0}, {"burst", op.Burst != 0}, {"bytes", op.Bytes != 0},
	} {
		if takes := figures[op.Verb]; f.set && !slices.Contains(takes, f.name) {
			what := "no figures"
			if len(takes) > 0 {
				what = strings.Join(takes, ", ")
			}
			return Errorf(ExitUsage, "%s has %s, and nothing in %s", op.Verb, what, f.name).WithHint("raftlab help %s", op.Verb)
		}
	}
	return nil
}

// delay is how long frames take; 0 takes a delay away.
func (op *Op) delay() (link.Effect, error) {
	d := link.Delay{Mean: raft.Duration(op.Delay), Jitter: raft.Duration(op.Jitter)}
	if err := delayError(op.Delay, op.Jitter); err != nil {
		return nil, err
	}
	if op.Distribution != "" {
		var err error
		if d.Distribution, err = link.ParseDistribution(op.Distribution); err != nil {
			return nil, Errorf(ExitUsage, "a delay is not distributed %s", quote(op.Distribution)).WithHint("distributions: %s", strings.Join(Distributions(), " "))
		}
	}
	for _, v := range op.Table {
		d.Values = append(d.Values, raft.Duration(v))
	}
	if d.Distribution == link.Table || len(d.Values) > 0 {
		if err := (&link.Fault{Effect: d}).Validate(); err != nil {
			return nil, Errorf(ExitUsage, "%v", err).WithHint("raftlab slow 1 table 5ms,5ms,5ms,80ms")
		}
	}
	return d, nil
}

// Distributions are the names of the distributions of a delay: uniform first,
// which it has without a name, and table last, which has values of its own.
func Distributions() []string { return link.DistributionNames() }

// loss is the share of frames that get lost; 0 takes it away.
func (op *Op) loss() (link.Effect, error) {
	switch {
	case !(op.Loss >= 0 && op.Loss <= 1):
		return nil, Errorf(ExitUsage, "a link loses 0 to 100 %% of its frames, not %s", percent(op.Loss)).WithHint("raftlab lose 1 5%%")
	case op.Burst == 0:
	case op.Loss == 0 || op.Loss == 1:
		return nil, Errorf(ExitUsage, "a link that loses %s of its frames has no bursts", percent(op.Loss)).WithHint("raftlab lose 1 10%% --burst 5")
	}
	return link.Loss{Share: op.Loss, Burst: op.Burst}, nil
}

// rate is how many bytes a second links carry; 0 takes the limit away.
func (op *Op) rate() (link.Effect, error) {
	if op.Bytes < 0 {
		return nil, Errorf(ExitUsage, "a link carries 1 byte a second or more, and 0 is no limit; it cannot carry %d", op.Bytes).WithHint("raftlab throttle 1 64KiB/s")
	}
	if !(op.Burst >= 0 && op.Burst < 1<<62) || op.Burst != math.Trunc(op.Burst) {
		return nil, Errorf(ExitUsage, "a burst is a number of bytes, not %g", op.Burst).WithHint("raftlab throttle 1 64KiB/s --burst 16KiB")
	}
	return link.Rate{Bytes: op.Bytes, Burst: int64(op.Burst)}, nil
}

// checkShare says what is wrong with a share of frames.
func (op *Op) checkShare(does, how string) error {
	if !(op.Share >= 0 && op.Share <= 1) {
		return Errorf(ExitUsage, "a link %s 0 to 100 %% of its frames %s, not %s", does, how, percent(op.Share)).WithHint("raftlab %s 1 5%%", op.Verb)
	}
	return nil
}

// CheckFault says what is wrong with an operation that sets a fault on links,
// as far as that does not depend on the lab: an *Error of code 2, or nil.
func (op *Op) CheckFault() error {
	_, err := op.fault()
	return err
}

// fault is what op asks for, without a number and a time. Its error is an
// *Error of code 2.
func (op *Op) fault() (*fault, error) {
	if err := checkFor(op); err != nil {
		return nil, err
	}
	e, err := op.Effect()
	if err != nil {
		return nil, err
	}
	f := &fault{verb: e.Verb(), rule: link.Fault{Effect: e}}
	var m Match
	if op.Match != nil {
		m = *op.Match
	}
	if link.Is[link.Reset](f.rule) && m.Next == 0 && m.Every == 0 && m.Prob == 0 {
		m.Next = 1 // unless somebody says which, it is the next frame that breaks the connection
	}
	if f.match, err = m.settled(); err != nil {
		return nil, err
	}
	f.rule.Match = f.match.rule(0)
	if f.nothing() {
		if op.For > 0 {
			return nil, Errorf(ExitUsage, "to take something away does not end by itself").WithHint("raftlab %s, without --for", op.Verb)
		}
		return f, nil
	}
	if err := f.rule.Validate(); err != nil {
		return nil, Errorf(ExitUsage, "%s: %v", op.Verb, err).WithHint("raftlab help %s", op.Verb)
	}
	return f, nil
}

// DescribeFault says what an operation that sets a fault does to these directed
// links, from and to of each, of the lab that s shows. Its error is the one that
// the lab would answer with.
func DescribeFault(op *Op, on [][2]int, s *Status) (string, error) {
	f, err := op.fault()
	if err != nil {
		return "", err
	}
	var ids []int
	for i := range s.Nodes {
		ids = append(ids, s.Nodes[i].ID)
	}
	var list []ends
	for _, k := range on {
		list = append(list, ends{k[0], k[1]})
	}
	slices.SortFunc(list, func(a, b ends) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	what := linksText(list, ids)
	if f.nothing() {
		return what + ": " + f.words().off, nil
	}
	f.until = raft.Time(op.For) // as if it were set at 0
	return what + ": " + f.sentence(), nil
}
