package proxy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// one are rules of one fault.
func one(id uint64, m link.Match, e link.Effect) link.Rules {
	return link.Rules{Faults: []link.Fault{{ID: id, Match: m, Effect: e}}}
}

var (
	votes   = link.Match{Kinds: link.KindsOf(wire.KindVote)}
	appends = link.Match{Kinds: link.KindsOf(wire.KindAppend)}
)

func (s *sender) vote() []byte { return s.message(&raft.RequestVote{LastLogIndex: 4, LastLogTerm: 2}) }

// ids are those of the frames, in order.
func ids(frames []Frame) []uint64 {
	var out []uint64
	for _, f := range frames {
		out = append(out, f.ID)
	}
	return out
}

// numbers are those of the frames on their links, in order.
func numbers(frames []Frame) []uint64 {
	var out []uint64
	for _, f := range frames {
		out = append(out, f.Number)
	}
	return out
}

// find returns the id of frame number n of a link, which waits.
func (w *network) find(from, to raft.NodeID, n uint64) uint64 {
	w.t.Helper()
	for _, f := range w.proxy.Held(nil) {
		if f.From == from && f.To == to && f.Number == n && f.CopyOf == 0 {
			return f.ID
		}
	}
	w.t.Fatalf("frame %d from %d to %d does not wait: %+v", n, from, to, w.proxy.Held(nil))
	return 0
}

func (w *network) do(id uint64, a Action) {
	w.t.Helper()
	if err := w.proxy.FrameAction(id, a); err != nil {
		w.t.Fatal(err)
	}
}

// A fault for some frames leaves the others of the same read alone, in order.
func TestFaultsPickTheirFrames(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rules  link.Rules
		reason link.Reason
	}{
		{"a cut", one(7, votes, link.Cut{}), link.DroppedByCut},
		{"a black hole", one(7, votes, link.Blackhole{}), link.DroppedInBlackhole},
		{"a loss", one(7, votes, link.Loss{Share: 1}), link.DroppedByLoss},
		{"a cut of an entry", one(7, link.Match{From: 4, To: 4}, link.Cut{}), link.DroppedByCut},
		{"a cut of every third", one(7, link.Match{Every: 3}, link.Cut{}), link.DroppedByCut},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newNetwork(t, 2)
			w.rules(1, 2, tt.rules)
			s := w.link(1, 2)
			s.write(slices.Concat(s.heartbeat(), s.entry(20), s.vote(), s.heartbeat(), s.heartbeat(), s.vote(), s.entry(9)))
			w.nodes[2].wants(1, 1, 2, 4, 5, 7)
			for _, n := range []uint64{3, 6} {
				if f := w.record(1, 2, n, true); f.Reason != tt.reason || f.Fault != 7 {
					t.Errorf("%+v, want it dropped (%s) by fault 7", f, tt.reason)
				}
			}
			if got, want := w.proxy.Hits()[7], (link.Hits{Matched: 2, Acted: 2}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// A cut for some frames that comes while frames are under way stops those, and
// no others, when they are due; then it counts them.
func TestACutOfSomeStopsThoseUnderWay(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, slow)
	s := w.link(1, 2)
	s.write(slices.Concat(s.heartbeat(), s.vote(), s.vote(), s.heartbeat(), s.vote(), s.heartbeat()))
	w.waiting(1, 2, 6)
	w.rules(1, 2, one(3, votes, link.Cut{}))
	w.at(20 * ms)
	w.nodes[2].wants(1, 1, 4, 6)
	w.waiting(1, 2, 0)
	if got, want := w.proxy.Hits()[3], (link.Hits{Matched: 3, Acted: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestDuplicatesArriveBehindTheirFrame(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules link.Rules
	}{
		{"straight", faults(link.Duplicate{Share: 1})},
		{"delayed", faults(link.Duplicate{Share: 1}, link.Delay{Mean: raft.Duration(5 * ms)})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newNetwork(t, 2)
			w.rules(1, 2, tt.rules)
			s := w.link(1, 2)
			s.send(3)
			if tt.name == "delayed" {
				w.waiting(1, 2, 6)
				w.at(5 * ms)
			}
			w.nodes[2].wants(1, 1, 1, 2, 2, 3, 3)
			w.waiting(1, 2, 0)
			if c := w.counters(1, 2); c.Sent != 3 || c.Copies != 3 || c.Delivered != 6 {
				t.Errorf("%+v", c)
			}
			frames, _, _ := w.proxy.Frames(nil, 0, 1000)
			copies := map[uint64]uint64{}
			for _, f := range frames {
				if f.Done && f.CopyOf != 0 {
					copies[f.CopyOf] = f.ID
				}
			}
			if len(copies) != 3 {
				t.Errorf("copies %v of 3 frames: %+v", copies, frames)
			}
			for of, id := range copies {
				if id == of {
					t.Errorf("frame %d is its own copy", id)
				}
			}
		})
	}
}

// A copy that comes later lets others between.
func TestADuplicateMayComeLater(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, one(1, votes, link.Duplicate{Share: 1, After: raft.Duration(10 * ms)}))
	s := w.link(1, 2)
	s.write(slices.Concat(s.vote(), s.heartbeat()))
	w.nodes[2].wants(1, 1, 2)
	w.at(10*ms - 1)
	s.write(s.heartbeat())
	w.nodes[2].wants(1, 3)
	w.at(10 * ms)
	w.nodes[2].wants(1, 1)
}

// A reordered frame is passed by those behind it, and by no others.
func TestReorderedFramesArePassed(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, one(1, votes, link.Reorder{Share: 1, By: raft.Duration(30 * ms)}).With(link.Fault{Effect: link.Delay{Mean: raft.Duration(10 * ms)}}))
	s := w.link(1, 2)
	s.write(slices.Concat(s.heartbeat(), s.vote(), s.heartbeat()))
	w.waiting(1, 2, 3)
	w.at(35 * ms)
	w.nodes[2].wants(1, 1, 3)
	s.write(s.heartbeat()) // due at 45 ms, behind the vote's 40
	w.waiting(1, 2, 2)
	w.at(60 * ms)
	w.nodes[2].wants(1, 2, 4)
}

// What is damaged arrives at its time, with a byte changed that its checksum
// tells of; the frames around it are whole.
func TestCorruptChangesAByte(t *testing.T) {
	for _, delay := range []raft.Time{0, 5 * ms} {
		t.Run(fmt.Sprint(time.Duration(delay)), func(t *testing.T) {
			w := newNetwork(t, 2)
			w.nodes[2].tolerant.Store(true)
			w.rules(1, 2, one(5, votes, link.Corrupt{Share: 1}).With(link.Fault{Effect: link.Delay{Mean: raft.Duration(delay)}}).
				With(link.Fault{ID: 6, Match: votes, Effect: link.Duplicate{Share: 1}}))
			s := w.link(1, 2)
			s.write(slices.Concat(s.heartbeat(), s.vote(), s.heartbeat()))
			if delay != 0 {
				w.waiting(1, 2, 4)
				w.at(delay)
			}
			w.nodes[2].wants(1, 1, damaged, 2, 3) // the copy is whole
			if f := w.record(1, 2, 1, true); f.Damaged {
				t.Errorf("%+v, want it whole", f)
			}
			w.waiting(1, 2, 0)
			frames, _, _ := w.proxy.Frames(nil, 0, 1000)
			hurt := 0
			for _, f := range frames {
				if f.Done && f.Damaged {
					hurt++
					if f.Number != 2 || f.CopyOf != 0 || f.Kind != wire.KindVote {
						t.Errorf("%+v is damaged", f)
					}
				}
			}
			if hurt != 1 {
				t.Errorf("%d frames are damaged, want 1", hurt)
			}
		})
	}
}

// A throttled link takes its bytes' time, on the lab clock.
func TestRateLimitsALink(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	raw := s.heartbeat()
	w.rules(1, 2, faults(link.Rate{Bytes: int64(len(raw)) * 100})) // one in 10 ms
	s.write(slices.Concat(raw, s.heartbeat(), s.heartbeat()))
	w.waiting(1, 2, 3)
	for n := uint64(1); n <= 3; n++ {
		w.at(raft.Time(n)*10*ms - 1)
		w.nodes[2].nothing()
		w.at(raft.Time(n) * 10 * ms)
		w.nodes[2].wants(1, n)
	}
}

// A frame may reset its link: it is lost with all that is under way, both ends
// learn of it, and then the link works on.
func TestAResetBreaksTheLink(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, slow)
	s := w.link(1, 2)
	s.send(1)
	w.waiting(1, 2, 1)
	w.at(20 * ms)
	w.nodes[2].wants(1, 1)
	s.send(2)
	w.waiting(1, 2, 2)
	w.rules(1, 2, one(4, link.Match{Kinds: votes.Kinds, Next: 1}, link.Reset{}))
	s.write(slices.Concat(s.vote(), s.heartbeat()))
	if err := s.broken(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the sender reads %v, want a reset", err)
	}
	w.waiting(1, 2, 0)
	for n, want := range map[uint64]uint64{2: 0, 3: 0, 4: 4, 5: 0} {
		if f := w.record(1, 2, n, true); f.Reason != link.DroppedByReset || f.Fault != want {
			t.Errorf("%+v, want it dropped by the reset, fault %d", f, want)
		}
	}
	again := w.link(1, 2)
	again.id = s.id
	again.write(again.vote())
	w.nodes[2].wants(1, 6)
	w.nodes[2].mu.Lock()
	defer w.nodes[2].mu.Unlock()
	if w.nodes[2].hellos != 2 {
		t.Errorf("the receiver was greeted %d times, want twice", w.nodes[2].hellos)
	}
}

func TestResetByHand(t *testing.T) {
	w := newNetwork(t, 3)
	s, other := w.link(1, 2), w.link(1, 3)
	s.send(1)
	w.nodes[2].wants(1, 1)
	w.hold(0)
	s.send(2)
	other.send(1)
	w.waiting(1, 2, 2)
	w.waiting(1, 3, 1)
	if err := w.proxy.Reset(1, 2); err != nil {
		t.Fatal(err)
	}
	if err := s.broken(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the sender reads %v, want a reset", err)
	}
	w.waiting(1, 2, 0)
	w.at(0)
	w.nodes[3].wants(1, 1)
	again := w.link(1, 2)
	again.id = s.id
	again.send(1)
	w.nodes[2].wants(1, 4)
	if err := w.proxy.Reset(1, 9); err == nil || err.Error() != "node 9 is not one of the network's 3 nodes" {
		t.Errorf("%v", err)
	}
	if err := w.proxy.Reset(3, 2); err != nil { // nothing is connected there
		t.Error(err)
	}
}

// A write that waits for a node that does not read ends when the link is
// reset, and what was being written is lost.
func TestAResetEndsAWriteThatWaits(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	s.send(1)
	w.nodes[2].wants(1, 1)
	w.nodes[2].pause()
	fill(w, s)
	if err := w.proxy.Reset(1, 2); err != nil {
		t.Fatal(err)
	}
	w.waiting(1, 2, 0)
	if f := w.record(1, 2, w.counters(1, 2).Sent, true); f.Reason != link.DroppedByReset {
		t.Errorf("%+v, want it dropped by the reset", f)
	}
	w.nodes[2].unpause()
	again := w.link(1, 2)
	again.id = 1_000_000
	again.send(1)
	w.eventually("the link works on", func() bool { return (<-w.nodes[2].got).id == 1_000_001 })
}

// A wall that comes while a frame is being written to a node that does not read
// stops that frame: the node finds what its connection took before, and nothing
// of what came after; nor does healing bring it back.
func TestAWallStopsWhatIsBeingWritten(t *testing.T) {
	for _, rules := range []link.Rules{{Wall: true}, one(2, link.Match{}, link.Cut{}), one(2, appends, link.Cut{})} {
		w := newNetwork(t, 2)
		s := w.link(1, 2)
		s.send(1)
		w.nodes[2].wants(1, 1)
		w.nodes[2].pause()
		fill(w, s)
		w.rules(1, 2, rules)
		// What the sender has sent beside is read, and stopped, too.
		s.Close()
		l := w.lane(1, 2)
		w.eventually("all is read", func() bool { return len(l.turn) == 0 })
		c := w.counters(1, 2)
		last := w.record(1, 2, c.Sent, true)
		want, fault := link.DroppedByCut, uint64(2)
		if rules.Wall {
			want, fault = link.DroppedAtWall, 0
		}
		if last.Reason != want || last.Fault != fault {
			t.Errorf("%+v: %+v, want it stopped: %s", rules, last, want)
		}
		w.rules(1, 2, link.Rules{})
		w.nodes[2].unpause()
		again := w.link(1, 2)
		again.id = 1_000_000
		again.send(1)
		w.record(1, 2, c.Sent+1, true)
		c = w.counters(1, 2)
		seen := map[uint64]bool{1: true}
		for range c.Delivered - 1 {
			seen[w.nodes[2].next().id] = true
		}
		if !seen[1_000_001] || seen[last.Number] || uint64(len(seen)) != c.Delivered {
			t.Errorf("%+v: frames %v arrived, %+v", rules, seen, c)
		}
		w.nodes[2].mu.Lock()
		old := w.nodes[2].conns[0]
		w.nodes[2].mu.Unlock()
		w.eventually("the old connection ends", func() bool { return old.SetDeadline(time.Time{}) != nil })
		w.nodes[2].nothing()
	}
}

// A cut of others does not stop what is being written.
func TestACutOfOthersLetsTheWriteGoOn(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	s.send(1)
	w.nodes[2].wants(1, 1)
	w.nodes[2].pause()
	fill(w, s)
	w.rules(1, 2, one(2, votes, link.Cut{}))
	w.nodes[2].unpause()
	w.waiting(1, 2, 0)
	if c := w.counters(1, 2); c.Dropped != 0 {
		t.Errorf("%+v, want none dropped", c)
	}
}

// What a fault holds waits; others pass it; it is released, dropped and put in
// any order, and goes by itself once the fault is gone.
func TestHeldFrames(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, one(8, appends, link.Hold{}))
	s := w.link(1, 2)
	var raw []byte
	for range 6 {
		raw = slices.Concat(raw, s.entry(10), s.heartbeat())
	}
	s.write(raw)
	w.nodes[2].wants(1, 2, 4, 6, 8, 10, 12)
	w.waiting(1, 2, 6)
	held := w.proxy.Held(nil)
	if got, want := numbers(held), []uint64{1, 3, 5, 7, 9, 11}; !slices.Equal(got, want) {
		t.Fatalf("frames %v wait, want %v", got, want)
	}
	for _, f := range held {
		if !f.Held || f.Fault != 8 || f.Kind != wire.KindAppend || f.Summary.Entries != 1 {
			t.Errorf("%+v", f)
		}
	}
	if c := w.counters(1, 2); c.Held != 6 || c.Waiting != 6 {
		t.Errorf("%+v, want 6 held", c)
	}
	w.at(100 * ms)
	w.nodes[2].nothing()
	w.do(held[3].ID, Release)
	w.nodes[2].wants(1, 7)
	w.do(held[1].ID, Drop)
	if f := w.record(1, 2, 3, true); f.Reason != DroppedByHand || f.Held || f.Dropped != 100*ms {
		t.Errorf("%+v, want it dropped by hand", f)
	}
	w.do(held[4].ID, Hold) // by hand, too: the fault's end does not free it
	w.rules(1, 2, link.Rules{})
	w.nodes[2].wants(1, 1, 5, 11)
	if f := w.record(1, 2, 1, true); f.Held || f.Due != 100*ms || f.Fault != 0 {
		t.Errorf("%+v, want it due when the fault was gone", f)
	}
	w.nodes[2].nothing()
	w.do(held[4].ID, Release)
	w.nodes[2].wants(1, 9)
	w.waiting(1, 2, 0)
	if c := w.counters(1, 2); c.Held != 0 {
		t.Errorf("%+v", c)
	}
}

func TestAHoldEndsByItself(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, one(8, link.Match{Kinds: votes.Kinds, Until: 50 * ms}, link.Hold{}))
	s := w.link(1, 2)
	s.write(slices.Concat(s.vote(), s.heartbeat(), s.vote()))
	w.nodes[2].wants(1, 2)
	w.at(50*ms - 1)
	w.nodes[2].nothing()
	w.at(50 * ms)
	w.nodes[2].wants(1, 1, 3)
}

// A frame under way can be taken out of its order by hand.
func TestFramesUnderWayByHand(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, slow)
	s := w.link(1, 2)
	s.send(6)
	w.waiting(1, 2, 6)
	w.do(w.find(1, 2, 4), Release) // past the others and before its time
	w.nodes[2].wants(1, 4)
	if f := w.record(1, 2, 4, true); f.Due != 20*ms || f.Arrived != 0 {
		t.Errorf("%+v, want it to arrive at 0, 20 ms before it was due", f)
	}
	w.do(w.find(1, 2, 2), Drop)
	third := w.find(1, 2, 3)
	w.do(third, Hold)
	w.do(third, Hold) // held it is
	if f := w.record(1, 2, 3, false); !f.Held {
		t.Errorf("%+v, want it on record as held", f)
	}
	w.at(20 * ms)
	w.nodes[2].wants(1, 1, 5, 6)
	w.waiting(1, 2, 1)
	if got := numbers(w.proxy.Held(nil)); !slices.Equal(got, []uint64{3}) {
		t.Errorf("frames %v wait, want 3", got)
	}
	w.do(third, Release)
	w.nodes[2].wants(1, 3)
}

// By hand a frame gets through on a held clock: one, and no other.
func TestFramesAreDeliveredOnAHeldClock(t *testing.T) {
	w := newNetwork(t, 3)
	w.rules(1, 2, faults(link.Delay{Mean: raft.Duration(30 * ms)}))
	s, other := w.link(1, 2), w.link(1, 3)
	s.send(2)
	w.waiting(1, 2, 2)
	w.hold(10 * ms)
	other.send(2)
	w.waiting(1, 3, 2)

	var order []uint64
	for range 4 {
		due, next, ok := w.proxy.Next()
		if !ok || next.Due != due {
			t.Fatalf("next: %v, %+v, %v", due, next, ok)
		}
		f, err := w.proxy.Deliver(context.Background(), next.ID)
		if err != nil || !f.Done || f.Reason != "" || f.ID != next.ID || f.Arrived != 10*ms {
			t.Fatalf("deliver %d: %+v, %v", next.ID, f, err)
		}
		w.nodes[f.To].wants(1, f.Number)
		order = append(order, uint64(f.To)*10+f.Number)
		w.nodes[2].nothing()
		w.nodes[3].nothing()
	}
	if want := []uint64{31, 32, 21, 22}; !slices.Equal(order, want) {
		t.Errorf("delivered %v, want %v: by when they are due", order, want)
	}
	if due, next, ok := w.proxy.Next(); ok {
		t.Errorf("next: %v, %+v, want none", due, next)
	}
	if _, err := w.proxy.Deliver(context.Background(), 1); err == nil || err.Error() != "frame 1 is not under way any more: it has arrived" {
		t.Errorf("%v", err)
	}
}

// By hand a frame gets no further than any other: a wall stops it, a dead node
// does not take it.
func TestByHandThereIsNoWayThroughAWall(t *testing.T) {
	w := newNetwork(t, 3)
	s, other := w.link(1, 2), w.link(1, 3)
	w.hold(0)
	s.send(1)
	other.send(1)
	w.waiting(1, 2, 1)
	w.waiting(1, 3, 1)
	w.rules(1, 2, link.Rules{Wall: true})
	f, err := w.proxy.Deliver(context.Background(), w.find(1, 2, 1))
	if err != nil || f.Reason != link.DroppedAtWall {
		t.Errorf("%+v, %v, want it dropped at the wall", f, err)
	}
	if err := w.proxy.NodeGone(3); err != nil {
		t.Fatal(err)
	}
	f, err = w.proxy.Deliver(context.Background(), w.find(1, 3, 1))
	if err != nil || f.Reason != DroppedDeadNode {
		t.Errorf("%+v, %v, want it dropped: dead node", f, err)
	}
}

// Next passes over links whose receiver does not read, and Deliver gives up
// waiting when it is told to.
func TestDeliverToANodeThatDoesNotRead(t *testing.T) {
	w := newNetwork(t, 3)
	w.rules(1, 2, one(1, votes, link.Hold{}))
	s := w.link(1, 2)
	s.write(s.vote())
	w.waiting(1, 2, 1)
	vote := w.find(1, 2, 1)
	w.nodes[2].pause()
	fill(w, s)
	if _, next, ok := w.proxy.Next(); ok {
		t.Errorf("%+v is next, want none", next)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.proxy.Deliver(ctx, vote); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want it cancelled", err)
	}
	if err := w.proxy.FrameAction(vote, Drop); err == nil || !strings.Contains(err.Error(), "is being handed to node 2 already") {
		t.Errorf("%v", err)
	}
	if !slices.Contains(ids(w.proxy.Held(nil)), vote) {
		t.Error("the frame does not wait any more")
	}
	w.nodes[2].unpause()
	w.waiting(1, 2, 0)
}

// A recorded frame is sent again, whatever became of it, past chance and
// delays, but not through a wall.
func TestInject(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	s.write(slices.Concat(s.heartbeat(), s.vote()))
	w.nodes[2].wants(1, 1, 2)
	w.rules(1, 2, faults(link.Loss{Share: 1}))
	s.send(1)
	lost := w.record(1, 2, 3, true)
	w.rules(1, 2, faults(link.Loss{Share: 1}, slow.Faults[0].Effect))
	vote := w.record(1, 2, 2, true)

	first, err := w.proxy.Inject(vote.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.nodes[2].wants(1, 2)
	if _, err := w.proxy.Inject(lost.ID); err != nil {
		t.Fatal(err)
	}
	w.nodes[2].wants(1, 3)
	if _, err := w.proxy.Inject(first); err != nil { // a copy's copy is its frame's
		t.Fatal(err)
	}
	w.nodes[2].wants(1, 2)
	w.waiting(1, 2, 0)
	frames, _, _ := w.proxy.Frames(nil, 0, 1000)
	for _, f := range frames {
		if f.ID == first && f.Done && (!f.Injected || f.CopyOf != vote.ID || f.Kind != wire.KindVote || f.Summary.LastIndex != 4) {
			t.Errorf("%+v", f)
		}
	}
	if c := w.counters(1, 2); c.Sent != 3 || c.Copies != 3 || c.Delivered != 5 || c.Dropped != 1 {
		t.Errorf("%+v", c)
	}

	w.hold(1) // on a held clock it waits, as any other
	again, err := w.proxy.Inject(vote.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.waiting(1, 2, 1)
	w.nodes[2].nothing()
	w.rules(1, 2, link.Rules{Wall: true})
	w.at(1)
	w.waiting(1, 2, 0)
	if f, known := w.proxy.lastWord(again); !known || f.Reason != link.DroppedAtWall {
		t.Errorf("%+v, want it dropped at the wall", f)
	}
	if _, err := w.proxy.Inject(999); err == nil || err.Error() != "the bytes of frame 999 are not kept: the network keeps the last 1024 KiB, without what comes in large batches" {
		t.Errorf("%v", err)
	}
	if err := w.proxy.RemoveNode(2); err != nil {
		t.Fatal(err)
	}
	if _, err := w.proxy.Inject(vote.ID); err == nil || err.Error() != fmt.Sprintf("send frame %d again: node 2 is not one of the network's 1 nodes", vote.ID) {
		t.Errorf("%v", err)
	}
}

func TestWhatCannotBeDoneByHand(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	s.send(1)
	w.nodes[2].wants(1, 1)
	w.record(1, 2, 1, true)
	w.rules(1, 2, faults(link.Cut{}))
	s.send(1)
	w.record(1, 2, 2, true)
	for _, tt := range []struct {
		id     uint64
		action Action
		want   string
	}{
		{1, Drop, "frame 1 is not under way any more: it has arrived"},
		{2, Release, "frame 2 is not under way any more: it was dropped (cut)"},
		{3, Hold, "there is no frame 3: the last one is 2"},
		{0, Hold, "there is no frame 0: the last one is 2"},
		{1, 0, "a frame can be dropped, held or released, nothing else"},
	} {
		if err := w.proxy.FrameAction(tt.id, tt.action); err == nil || err.Error() != tt.want {
			t.Errorf("%v %d: %v, want %s", tt.action, tt.id, err, tt.want)
		}
	}
}

// Frames that are held count against the backlog: a link that holds too much
// stops reading, and goes on when some are gone.
func TestHeldFramesPushBack(t *testing.T) {
	const backlog = 64 << 10
	w := newNetwork(t, 2, func(p *Proxy) { p.backlog = backlog })
	w.rules(1, 2, one(1, appends, link.Hold{}))
	s := w.link(1, 2)
	written := make(chan struct{})
	var batch []byte
	for range 400 {
		batch = append(batch, s.entry(50<<10)...)
	}
	last := s.heartbeat()
	go func() {
		defer close(written)
		if _, err := s.Write(append(batch, last...)); err != nil {
			t.Errorf("write: %v", err)
		}
	}()
	l := w.lane(1, 2)
	w.eventually("the reader stalls", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.stalled
	})
	if c := w.counters(1, 2); c.Held > (backlog+2*chunkSize)/(50<<10) {
		t.Errorf("%d frames are held, far over the backlog", c.Held)
	}
	w.eventually("all are dropped by hand", func() bool {
		for _, f := range w.proxy.Held(nil) {
			if f.Held {
				w.do(f.ID, Drop)
			}
		}
		select {
		case <-written:
			return w.counters(1, 2).Dropped == 400
		default:
			return false
		}
	})
	w.nodes[2].wants(1, 401)
}

// Nothing that waits is forgotten when its link is: whoever waits for it hears.
func TestWhatIsHeldEndsWithItsLink(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, one(1, link.Match{}, link.Hold{}))
	s := w.link(1, 2)
	s.send(3)
	w.waiting(1, 2, 3)
	if err := w.proxy.RemoveNode(2); err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n <= 3; n++ {
		if f := w.record(1, 2, n, true); f.Reason != DroppedRemovedNode || f.Held {
			t.Errorf("%+v, want it dropped: removed node", f)
		}
	}
}

// On real connections and the real clock: no frame comes before its time, and
// they come in order.
func TestDelaysOnTheRealClock(t *testing.T) {
	for _, delay := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			w := newNetwork(t, 2)
			w.clock.Adjust(1, false)
			w.rules(1, 2, faults(link.Delay{Mean: raft.Duration(delay)}))
			s := w.link(1, 2)
			for n := uint64(1); n <= 5; n++ {
				start := time.Now()
				s.send(2)
				w.nodes[2].wants(1, 2*n-1, 2*n)
				if took := time.Since(start); took < delay {
					t.Errorf("frames took %v, want %v at least", took, delay)
				}
			}
		})
	}
}

// Over real connections as many are lost, doubled, damaged and reordered as
// asked for, to within 3.3 standard deviations.
func TestSharesOverTCP(t *testing.T) {
	const n, share = 20_000, 0.05
	for _, tt := range []struct {
		name   string
		effect link.Effect
		count  func(got []received) float64
	}{
		{"loss", link.Loss{Share: share}, func(got []received) float64 { return n - float64(len(got)) }},
		{"duplicate", link.Duplicate{Share: share}, func(got []received) float64 { return float64(len(got)) - n }},
		{"corrupt", link.Corrupt{Share: share}, func(got []received) float64 {
			return float64(len(got) - len(slices.DeleteFunc(slices.Clone(got), func(r received) bool { return r.id == damaged })))
		}},
		{"reorder", link.Reorder{Share: share, By: raft.Duration(time.Hour)}, func(got []received) float64 {
			late := 0
			for i := len(got) - 1; i > 0 && got[i].at > raft.Time(time.Hour); i-- {
				late++
			}
			return float64(late)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newNetwork(t, 2)
			w.nodes[2].tolerant.Store(true)
			w.rules(1, 2, one(1, link.Match{}, tt.effect))
			s := w.link(1, 2)
			var got []received
			for range n / 1000 {
				s.send(1000)
				w.eventually("what does not wait has arrived", func() bool {
					c := w.counters(1, 2)
					for uint64(len(got)) < c.Delivered {
						got = append(got, w.nodes[2].next())
					}
					return c.Sent == uint64(s.id) && c.Sent+c.Copies == c.Delivered+c.Dropped+uint64(w.apartOnly(1, 2))
				})
			}
			w.at(2 * raft.Time(time.Hour))
			w.waiting(1, 2, 0)
			for uint64(len(got)) < w.counters(1, 2).Delivered {
				r := w.nodes[2].next()
				r.at = 2 * raft.Time(time.Hour)
				got = append(got, r)
			}
			count := tt.count(got)
			if off := math.Abs(count - n*share); off > 3.3*math.Sqrt(n*share*(1-share)) {
				t.Errorf("%v of %d, want %v", count, n, n*share)
			}
			if acted := w.proxy.Hits()[1].Acted; float64(acted) != count {
				t.Errorf("the fault says it acted %d times, it was seen %v times", acted, count)
			}
			if tt.name == "reorder" {
				got = got[:len(got)-int(count)]
			}
			if !slices.IsSortedFunc(slices.DeleteFunc(got, func(r received) bool { return r.id == damaged }), func(a, b received) int { return int(a.id) - int(b.id) }) {
				t.Error("the others did not keep their order")
			}
		})
	}
}

// apartOnly is how many frames wait outside the order of a link.
func (w *network) apartOnly(from, to raft.NodeID) int {
	l := w.lane(from, to)
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.apart.all)
}

// A fault on one way says nothing about the other.
func TestFaultsAreOneWay(t *testing.T) {
	for name, rules := range map[string]link.Rules{"cut": faults(link.Cut{}), "wall": {Wall: true}, "loss": faults(link.Loss{Share: 1}), "hold": faults(link.Hold{})} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t, 2)
			w.rules(1, 2, rules)
			there, back := w.link(1, 2), w.link(2, 1)
			there.send(5)
			back.send(5)
			w.nodes[1].wants(2, 1, 2, 3, 4, 5)
			w.eventually("all left", func() bool { return w.counters(1, 2).Sent == 5 })
			if c := w.counters(1, 2); c.Delivered != 0 {
				t.Errorf("%+v, want none delivered", c)
			}
			w.nodes[2].nothing()
		})
	}
}

// broken waits until the connection is ended and says how.
func (s *sender) broken() error {
	s.net.t.Helper()
	s.SetReadDeadline(time.Now().Add(patience))
	var b [1]byte
	_, err := s.Read(b[:])
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		s.net.t.Fatalf("the connection still stands: %v", err)
	}
	return err
}

func TestTheTapeKeepsTheLast(t *testing.T) {
	var tp tape
	raw := func(id uint64, size int) []byte {
		b := append(length(uint32(size)), make([]byte, size)...)
		for i := lengthBytes; i < len(b); i++ {
			b[i] = byte(id)
		}
		return b
	}
	id := uint64(1)
	for range 3000 {
		n := 1 + int(id%3)
		var read []byte
		for i := range n {
			read = append(read, raw(id+uint64(i), int(id*7%2000))...)
		}
		tp.keep(id, n, read)
		id += uint64(n)
	}
	kept, bytes := 0, 0
	for last := id - 1; last > 0; last-- {
		got, err := tp.frame(last)
		if err != nil {
			break
		}
		if want := raw(last, len(got)-lengthBytes); !slices.Equal(got, want) {
			t.Fatalf("frame %d is not as it was", last)
		}
		kept++
		bytes += len(got)
	}
	if bytes < tapeBytes-tapeBatch || bytes > tapeBytes {
		t.Errorf("the last %d frames are kept, %d bytes", kept, bytes)
	}
	tp.keep(id, 1, raw(id, tapeBatch))
	if _, err := tp.frame(id); err == nil {
		t.Error("a large read is kept")
	}
	for range 2 * tapeReads {
		id++
		tp.keep(id, 1, raw(id, 1))
	}
	if _, err := tp.frame(id - tapeReads + 1); err != nil {
		t.Error(err)
	}
	if _, err := tp.frame(id - tapeReads - 1); err == nil {
		t.Error("more reads are kept than there is room for")
	}
}
