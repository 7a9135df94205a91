//go:build unix

package netlab

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// framesOf are the frames on record that a query picks.
func (s *started) framesOf(t *testing.T, q FrameQuery) []Frame {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = framesKept
	}
	page, err := s.Frames(t.Context(), q)
	if err != nil {
		t.Fatal(told(err))
	}
	return page.Frames
}

func (s *started) puts(t *testing.T, key string) {
	t.Helper()
	if _, err := s.KV(t.Context(), KVOp{Op: "put", Key: key, Value: "v", Timeout: 20 * time.Second}); err != nil {
		t.Fatalf("put %s: %s", key, told(err))
	}
}

// Every fault, set by an operation on a lab of real processes, does to frames
// what it says, shows in status, links, faults, frames and events with the
// command line that set it, leaves the cluster working, and is gone after heal
// --all.
func TestEveryFaultOnRealProcesses(t *testing.T) {
	config := testConfig(t)
	config.ElectionMin, config.ElectionMax = 2*time.Second, 4*time.Second // nobody stands because of a fault
	s := startLab(t, config)
	s.does(t, Op{Verb: "elect", Nodes: []string{"1"}})
	s.waits(t, "leader == 1")
	s.waits(t, "converged")

	dropped := func(reason string) func(*Frame) bool {
		return func(f *Frame) bool { return f.Reason == reason }
	}
	flight := func(f *Frame) time.Duration { return time.Duration(f.DueNS - f.LeftNS) }
	for _, c := range []struct {
		op    Op
		link  func(LinkStatus) bool // of S1 to S3
		frame func(*Frame) bool     // some frame of S1 to S3
		shows string                // whether a condition sees it
	}{
		{op: Op{Verb: "cut", Match: &Match{Kinds: []string{"append"}}}, frame: dropped("cut")},
		{op: Op{Verb: "cut"}, link: func(k LinkStatus) bool { return k.Cut }, frame: dropped("cut"), shows: "any(links, .cut)"},
		{op: Op{Verb: "blackhole"}, link: func(k LinkStatus) bool { return k.Cut }, frame: dropped("blackhole")},
		{op: Op{Verb: "lose", Loss: .5}, link: func(k LinkStatus) bool { return k.Loss == .5 }, frame: dropped("loss"), shows: "any(links, .loss == 0.5)"},
		{op: Op{Verb: "lose", Loss: .5, Burst: 3}, link: func(k LinkStatus) bool { return k.Loss == .5 }, frame: dropped("loss")},
		{op: Op{Verb: "slow", Delay: 30 * time.Millisecond}, link: func(k LinkStatus) bool { return k.DelayMS == 30 }, frame: func(f *Frame) bool { return flight(f) == 30*time.Millisecond && f.ArrivedNS >= f.DueNS }},
		{op: Op{Verb: "slow", Delay: 30 * time.Millisecond, Jitter: 10 * time.Millisecond, Distribution: "pareto"}, link: func(k LinkStatus) bool { return k.JitterMS == 10 }, frame: func(f *Frame) bool { return flight(f) > 20*time.Millisecond }},
		{op: Op{Verb: "duplicate", Share: 1}, link: func(k LinkStatus) bool { return k.Duplicate == 1 && k.Copies > 0 }, frame: func(f *Frame) bool { return f.CopyOf > 0 && f.ArrivedNS > 0 }, shows: "any(links, .duplicate == 1)"},
		{op: Op{Verb: "reorder", Share: .5, Delay: 200 * time.Millisecond}, link: func(k LinkStatus) bool { return k.Reorder == .5 }, frame: func(f *Frame) bool { return flight(f) >= 200*time.Millisecond }, shows: "any(links, .reorder == 0.5)"},
		{op: Op{Verb: "corrupt", Share: .5}, link: func(k LinkStatus) bool { return k.Corrupt == .5 }, frame: func(f *Frame) bool { return f.Corrupt && f.ArrivedNS > 0 }, shows: "any(links, .corrupt == 0.5)"},
		{op: Op{Verb: "throttle", Bytes: 2 << 10}, link: func(k LinkStatus) bool { return k.RateBytes == 2<<10 }, frame: func(f *Frame) bool { return flight(f) > 5*time.Millisecond }, shows: "any(links, .rate_bytes == 2048)"},
		{op: Op{Verb: "reset", Match: &Match{Next: 3}}, frame: dropped("reset")},
		{op: Op{Verb: "frame", Action: "hold"}, link: func(k LinkStatus) bool { return k.OnHold > 0 }, frame: func(f *Frame) bool { return f.Held }, shows: "any(links, .on_hold > 0 and .held >= .on_hold)"},
		{op: Op{Verb: "partition", Sides: [][]string{{"3"}}}, link: func(k LinkStatus) bool { return k.Wall }, frame: dropped("wall"), shows: "len(partition) == 2"},
	} {
		name := c.op.Verb
		if c.op.Match != nil {
			name += c.op.Match.flags()
		}
		t.Run(name, func(t *testing.T) {
			op := c.op
			if op.Verb != "partition" {
				op.Links = []string{"1 to 3"}
			}
			op.Line = "raftlab " + op.Verb
			after := s.framesOf(t, FrameQuery{From: []string{"1"}, To: []string{"3"}})
			last := after[len(after)-1].ID
			res := s.does(t, op)
			s.puts(t, name)

			status := s.see(t)
			if len(status.Faults) != 1 || status.Faults[0].ID == 0 || status.Faults[0].ID != res.Fault || status.Faults[0].Line != op.Line || status.Undo != op.Line {
				t.Errorf("faults %+v of %+v, undo %q", status.Faults, res, status.Undo)
			}
			var found *Frame
			deadline := time.Now().Add(20 * time.Second)
			for found == nil && time.Now().Before(deadline) {
				frames := s.framesOf(t, FrameQuery{From: []string{"1"}, To: []string{"3"}})
				if i := slices.IndexFunc(frames, func(f Frame) bool { return f.ID > last && c.frame(&f) }); i >= 0 {
					found = &frames[i]
				}
			}
			if found == nil {
				t.Fatalf("no frame was hit by %s: %+v", name, s.framesOf(t, FrameQuery{From: []string{"1"}, To: []string{"3"}}))
			}
			if (found.Reason != "" && found.Reason != "wall" || found.Held) && found.Fault != res.Fault {
				t.Errorf("frame %+v names no fault, want %d", found, res.Fault)
			}
			status = s.see(t)
			k := linkOf(t, status, 1, 3)
			if c.link != nil && !c.link(k) {
				t.Errorf("link %+v", k)
			}
			if op.Verb != "partition" && op.Verb != "reset" {
				if k.Set != status.Faults[0].Text || !slices.Equal(status.Faults[0].Links, [][2]int{{1, 3}}) || status.Faults[0].Hits == 0 {
					t.Errorf("link is %q by %+v", k.Set, status.Faults[0])
				}
				if other := linkOf(t, status, 3, 1); other.Set != "" || other.Cut {
					t.Errorf("the way back: %+v", other)
				}
			}
			if c.shows != "" {
				s.waits(t, c.shows)
			}
			events, err := s.Events(t.Context(), EventQuery{After: res.Event - 1, Limit: 0})
			if err != nil || len(events) == 0 || events[0].Kind != EventFault || events[0].Line != op.Line || !strings.Contains(events[0].Text, strings.TrimPrefix(res.Text, "partition ")) {
				t.Errorf("event %+v, %v; want %q", events[:min(1, len(events))], err, res.Text)
			}
			s.does(t, Op{Verb: "heal", All: true})
			s.waits(t, "len(faults) == 0 and len(partition) == 0 and leader == 1 and all(links, not .cut and not .wall and .set == '' and .on_hold == 0)")
			s.waits(t, "converged")
		})
	}
	// A corrupt frame is refused by who gets it, and said.
	for deadline := time.Now().Add(20 * time.Second); ; {
		events, err := s.Events(t.Context(), EventQuery{})
		if err != nil {
			t.Fatal(told(err))
		}
		if slices.ContainsFunc(events, func(e Event) bool { return e.Node == 3 && e.Peer == 1 && strings.Contains(e.Text, "damaged frame") }) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("S3 has not said that it refused a corrupt frame")
		}
	}
}

// Frames that are held stay until they are let go of, one by one and in any
// order, or dropped; a recorded one can be sent again.
func TestFramesByHand(t *testing.T) {
	config := testConfig(t)
	config.ElectionMin, config.ElectionMax = 2*time.Second, 4*time.Second
	s := startLab(t, config)
	s.does(t, Op{Verb: "elect", Nodes: []string{"1"}})
	s.waits(t, "leader == 1")
	s.waits(t, "converged")
	hold := s.does(t, Op{Verb: "frame", Action: "hold", Links: []string{"1 to 3"}, Match: &Match{Kinds: []string{"append"}}, Line: "raftlab frame hold 1 to 3 --kind append"})
	s.puts(t, "a")
	s.waits(t, "S2.commit == last_index and S3.last_index < last_index")
	s.waits(t, "sum(links, .on_hold) >= 1")
	held := s.framesOf(t, FrameQuery{Held: true})
	if len(held) == 0 || held[0].Kind != "append" || held[0].From != 1 || held[0].To != 3 || held[0].Fault != hold.Fault {
		t.Fatalf("held are %+v", held)
	}
	// The first is dropped. What comes after it, probes for the same entry, is
	// held, too; the last of these is let go, and S3 has the entry.
	first := held[0].ID
	res := s.does(t, Op{Verb: "frame", Frame: first, Action: "drop"})
	if !strings.HasPrefix(res.Text, fmt.Sprintf("dropped: frame %d, S1 to S3, append ", first)) {
		t.Errorf("drop says %q", res.Text)
	}
	_, err := s.Do(t.Context(), Op{Verb: "frame", Frame: first, Action: "release"})
	checkMessage(t, err, ExitConflict, fmt.Sprintf("frame %d is not under way any more: it was dropped (by hand)", first))
	s.puts(t, "b")
	s.waits(t, "sum(links, .on_hold) >= 1")
	held = s.framesOf(t, FrameQuery{Held: true})
	last := held[len(held)-1]
	res = s.does(t, Op{Verb: "frame", Frame: last.ID, Action: "release"})
	if !strings.HasSuffix(res.Text, "and arrived") {
		t.Errorf("release says %q", res.Text)
	}
	arrived := s.framesOf(t, FrameQuery{From: []string{"1"}, To: []string{"3"}})
	if i := slices.IndexFunc(arrived, func(f Frame) bool { return f.ID == last.ID }); i < 0 || arrived[i].ArrivedNS == 0 || arrived[i].Held {
		t.Errorf("frame %d is not on record as arrived", last.ID)
	}
	res = s.does(t, Op{Verb: "frame", Frame: last.ID, Action: "inject"})
	if !strings.Contains(res.Text, fmt.Sprintf("frame %d is sent once more", last.ID)) {
		t.Errorf("inject says %q", res.Text)
	}
	s.puts(t, "c")
	s.waits(t, "sum(links, .on_hold) >= 1")
	res = s.does(t, Op{Verb: "heal"})
	if !strings.Contains(res.Text, "no longer held up") || !strings.Contains(res.Text, "let go") {
		t.Errorf("heal says %q", res.Text)
	}
	s.waits(t, "converged")
	s.waits(t, "len(faults) == 0 and sum(links, .on_hold) == 0")
	var told []string
	events, err := s.Events(t.Context(), EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == EventFault {
			told = append(told, e.Text)
		}
	}
	if !slices.ContainsFunc(told, func(text string) bool {
		return strings.HasPrefix(text, fmt.Sprintf("held: frame %d, S1 to S3, append ", first)) && strings.HasSuffix(text, ", by "+faultName(hold.Fault))
	}) {
		t.Errorf("no event tells of frame %d: %q", first, told)
	}
}

// A fault that is for the next frames is gone by itself when they have come,
// and says so; faults stay when a node is started anew.
func TestFaultsAreSpentAndOutliveNodes(t *testing.T) {
	config := testConfig(t)
	config.ElectionMin, config.ElectionMax = 2*time.Second, 4*time.Second
	s := startLab(t, config)
	s.does(t, Op{Verb: "elect", Nodes: []string{"1"}})
	s.waits(t, "leader == 1")
	s.waits(t, "converged")
	res := s.does(t, Op{Verb: "cut", Links: []string{"1 to 3"}, Match: &Match{Kinds: []string{"append"}, Next: 1}})
	s.puts(t, "a")
	s.waits(t, "len(faults) == 0")
	s.waits(t, "converged")
	events, err := s.Events(t.Context(), EventQuery{After: res.Event})
	want := faultName(res.Fault) + " is spent after 1 frame: cut --kind append --next 1 (S1 to S3)"
	if err != nil || !slices.ContainsFunc(events, func(e Event) bool { return e.Kind == EventFault && e.Text == want }) {
		t.Errorf("no event %q, %v", want, err)
	}
	lost := slices.DeleteFunc(s.framesOf(t, FrameQuery{From: []string{"1"}, To: []string{"3"}}), func(f Frame) bool { return f.Fault != res.Fault })
	if len(lost) != 1 || lost[0].Kind != "append" {
		t.Errorf("it has lost %+v, want one append", lost)
	}
	if res := s.does(t, Op{Verb: "undo"}); !strings.HasPrefix(res.Text, "nothing to undo") {
		t.Errorf("undo says %q: what is spent is over", res.Text)
	}
	s.does(t, Op{Verb: "slow", Links: []string{"2 to 3"}, Delay: 5 * time.Millisecond})
	s.does(t, Op{Verb: "kill", Nodes: []string{"3"}})
	s.does(t, Op{Verb: "restart", Nodes: []string{"3"}})
	s.waits(t, "converged")
	if now := s.see(t); len(now.Faults) != 1 || linkOf(t, now, 2, 3).DelayMS != 5 {
		t.Errorf("after a restart of S3: %q", on(now))
	}
}
