package netlab

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
)

// onNet are the faults that fake nodes can have.
var onNet = []string{"partition", "cut", "slow", "lose", "duplicate", "reorder", "corrupt", "throttle", "blackhole"}

// chaosLab is a lab of five with faults of its own, and what those are.
func chaosLab(t *testing.T) (*lab, []faultLink) {
	l := fakeLab(t, 5)
	l.lead(1, 2)
	l.must(t, Op{Verb: "slow", Links: []string{"all"}, Delay: 20 * time.Millisecond, Jitter: 3 * time.Millisecond})
	l.must(t, Op{Verb: "lose", Links: []string{"2"}, Loss: .5})
	l.must(t, Op{Verb: "cut", Links: []string{"4", "to", "5"}})
	return l, l.linksNow()
}

// linksNow are the links, with what each is told.
func (l *lab) linksNow() []faultLink {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.faults.links)
}

// over waits until no nemesis is at work.
func (l *lab) over(t *testing.T) {
	t.Helper()
	l.nemesis.mu.Lock()
	n := l.nemesis.now
	l.nemesis.mu.Unlock()
	if n == nil {
		return
	}
	select {
	case <-n.finished:
	case <-time.After(20 * time.Second):
		t.Fatalf("chaos goes on: %+v", l.status().Chaos)
	}
}

// until waits for something that a nemesis does.
func (l *lab) until(t *testing.T, holds func(*ChaosStatus) bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		changed := l.changed()
		l.mu.Unlock()
		s := l.status().Chaos
		if s == nil {
			t.Fatal("chaos is over")
		}
		if holds(s) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("chaos does nothing: %+v", s)
		}
	}
}

func sameLinks(t *testing.T, when string, got, want []faultLink) {
	t.Helper()
	for i := range want {
		if !slices.Equal(faultLines(got[i].rules), faultLines(want[i].rules)) || got[i].rules.Wall != want[i].rules.Wall {
			t.Errorf("%s S%d to S%d has %v (wall %v), want %v (wall %v)", when, want[i].from, want[i].to,
				faultLines(got[i].rules), got[i].rules.Wall, faultLines(want[i].rules), want[i].rules.Wall)
		}
	}
}

func faultLines(r link.Rules) (lines []string) {
	for _, f := range r.Faults {
		lines = append(lines, f.Line(""))
	}
	slices.Sort(lines)
	return lines
}

// Goal: a nemesis does what its plan says and leaves the network as it was,
// what others had set included. Method: a lab at a thousand times real time.
func TestChaosLeavesTheNetworkAsItWas(t *testing.T) {
	l, before := chaosLab(t)
	o := &ChaosOptions{Seed: 5, Kinds: onNet, For: 2 * time.Minute, Every: time.Second, Hard: 5}
	plan, err := PlanChaos(*o, l.status())
	if err != nil {
		t.Fatal(err)
	}
	begun := l.must(t, Op{Verb: "chaos", Chaos: o, Line: "raftlab chaos --seed 5"})
	if want := "chaos begins: " + plan.String(); begun.Text != want {
		t.Errorf("it says %q, want %q", begun.Text, want)
	}
	l.clock.Adjust(1000, false)
	l.over(t)
	sameLinks(t, "after it", l.linksNow(), before)
	if s := l.status(); s.Chaos != nil || len(s.Partition) != 0 {
		t.Errorf("after it the status shows chaos %+v and the partition %v", s.Chaos, s.Partition)
	}
	events, _ := l.events.after(begun.Event, 1<<20)
	var lines []string
	for _, e := range events {
		if e.Kind == EventFault && e.Line != "" && !strings.HasPrefix(e.Line, "raftlab heal ") {
			lines = append(lines, e.Line)
		}
	}
	var want []string
	for _, f := range plan.Faults {
		want = append(want, f.Line)
	}
	if want = append(want, "raftlab chaos --seed 5"); !slices.Equal(lines, want) {
		t.Errorf("the lines of its events are\n%s\nthe plan's\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if last := events[len(events)-1]; !strings.HasPrefix(last.Text, "chaos is over: ") || !strings.HasSuffix(last.Text, ", all undone") {
		t.Errorf("the last event is %q", last.Text)
	}
}

// Stopped in the middle it leaves nothing behind either.
func TestChaosStops(t *testing.T) {
	for _, c := range []struct {
		name string
		stop Op
		left bool // what others had set
	}{
		{"by its own word", Op{Verb: "chaos", Stop: true}, true},
		{"by heal --all", Op{Verb: "heal", All: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, before := chaosLab(t)
			if !c.left {
				before = fakeLab(t, 5).linksNow()
			}
			l.must(t, Op{Verb: "chaos", Chaos: &ChaosOptions{Seed: 5, Kinds: onNet, For: time.Hour, Every: time.Second, Hard: 5}})
			_, err := l.do(t.Context(), &Op{Verb: "chaos"})
			if e, ok := err.(*Error); !ok || e.Code != ExitConflict || e.Hint != "raftlab chaos --stop" {
				t.Errorf("a second one: %s, want a conflict", told(err))
			}
			l.clock.Adjust(1000, false)
			l.until(t, func(s *ChaosStatus) bool { return s.Done >= 5 && len(s.Now) > 0 })
			l.must(t, c.stop)
			sameLinks(t, "after it", l.linksNow(), before)
			if s := l.status(); s.Chaos != nil {
				t.Errorf("the status shows %+v", s.Chaos)
			}
			if res := l.must(t, Op{Verb: "chaos", Stop: true}); res.Text != "no chaos is at work" {
				t.Errorf("stopping it again says %q", res.Text)
			}
		})
	}
}

// Nothing happens while the clock is held, and what the lab refuses is said.
func TestChaosKeepsTheLabsTime(t *testing.T) {
	l, before := chaosLab(t)
	l.become(1, StateDead) // nobody leads
	res := l.must(t, Op{Verb: "chaos", Chaos: &ChaosOptions{Seed: 1, Kinds: onNet, For: 20 * time.Second, Every: time.Second, Most: 5}})
	if len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "held") {
		t.Errorf("with the clock held it notes %q", res.Notes)
	}
	if s := l.status().Chaos; s.Done+s.Skipped > 0 || s.UntilNS != s.BeganNS+int64(20*time.Second) {
		t.Fatalf("with the clock held: %+v", s)
	}
	l.clock.Adjust(1000, false)
	l.over(t)
	sameLinks(t, "after it", l.linksNow(), before)
	refused := 0
	events, _ := l.events.after(res.Event, 1<<20)
	for _, e := range events {
		if strings.HasPrefix(e.Text, "chaos goes on without this one: there is no leader now") && strings.Contains(e.Line, "leader") {
			refused++
		}
	}
	if last := events[len(events)-1].Text; refused == 0 || !strings.Contains(last, " refused, all undone") {
		t.Errorf("%d faults were refused for want of a leader; in the end: %q", refused, last)
	}
}

// A lab that ends does not wait for its nemesis's plan.
func TestChaosEndsWithItsLab(t *testing.T) {
	l, _ := chaosLab(t)
	l.must(t, Op{Verb: "chaos", Chaos: &ChaosOptions{Kinds: onNet, For: time.Hour}})
	l.clock.Adjust(1, false)
	l.stop(nil)
	l.over(t)
	if _, err := l.do(t.Context(), &Op{Verb: "chaos"}); err != errStopping {
		t.Errorf("in a lab that ends: %v", err)
	}
}
