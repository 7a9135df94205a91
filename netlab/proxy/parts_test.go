package proxy

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// The queue gives back what was put in and not taken out, in order and byte by
// byte, in runs that end where a due time, a segment or a gap does, and keeps
// account of its bytes; a plain list says what is right.
func TestQueueIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type kept struct {
			frame Frame
			raw   []byte
		}
		var q queue
		var model []kept
		var id uint64
		var due, now raft.Time
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				id++
				due += raft.Time(rapid.IntRange(0, 3).Draw(t, "later"))
				size := rapid.OneOf(rapid.IntRange(4, 100), rapid.SampledFrom([]int{segmentSmall - 1, segmentSmall, segmentSmall + 1, segmentLarge, segmentLarge + 1})).Draw(t, "size")
				k := kept{Frame{ID: id, Number: id + 7, Left: due - 1, Due: due}, bytes.Repeat([]byte{byte(id)}, size)}
				q.push(&k.frame, k.raw, 0)
				model = append(model, k)
			},
			"deliver": func(t *rapid.T) {
				now += raft.Time(rapid.IntRange(0, 10).Draw(t, "pass"))
				items, raw := q.due(now)
				n := len(items)
				if n == 0 {
					if len(model) > 0 && model[0].frame.Due <= now {
						t.Fatalf("nothing is due at %d, want frame %d", now, model[0].frame.ID)
					}
					return
				}
				var want []byte
				for i, k := range model[:n] {
					it := items[i]
					if it.id != k.frame.ID || it.number != k.frame.Number || it.left != k.frame.Left || it.due != k.frame.Due || it.to-it.from != len(k.raw) {
						t.Fatalf("item %d is %+v, want %+v", i, it, k.frame)
					}
					if it.due > now {
						t.Fatalf("at %d: frame %d, due at %d", now, it.id, it.due)
					}
					want = append(want, k.raw...)
				}
				if !bytes.Equal(raw, want) {
					t.Fatalf("%d bytes, want the %d of %d frames", len(raw), len(want), n)
				}
				q.pop(n)
				model = model[n:]
			},
			"take": func(t *rapid.T) {
				if len(model) == 0 {
					return
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
				var got []byte
				q.each(i, func(it *item, raw []byte) bool {
					if it.id != model[i].frame.ID {
						t.Fatalf("behind %d frames stands %d, want %d", i, it.id, model[i].frame.ID)
					}
					got = bytes.Clone(raw)
					q.take(it)
					return false
				})
				q.trim()
				if !bytes.Equal(got, model[i].raw) {
					t.Fatalf("frame %d has %d bytes, want %d", model[i].frame.ID, len(got), len(model[i].raw))
				}
				model = slices.Delete(model, i, i+1)
			},
			"": func(t *rapid.T) {
				var ids []uint64
				q.each(0, func(it *item, _ []byte) bool {
					ids = append(ids, it.id)
					return true
				})
				for i, k := range model {
					if i >= len(ids) || ids[i] != k.frame.ID {
						t.Fatalf("frames %v, want %d at place %d", ids, k.frame.ID, i)
					}
				}
				if len(model) > 0 && q.head().id != model[0].frame.ID {
					t.Fatalf("the head is frame %d, want %d", q.head().id, model[0].frame.ID)
				}
				size := 0
				for _, k := range model {
					size += len(k.raw) + itemCost
				}
				if q.bytes != size || q.empty() != (len(model) == 0) {
					t.Fatalf("%d bytes, empty %v; want %d, %v", q.bytes, q.empty(), size, len(model) == 0)
				}
				if q.empty() != (q.last == nil) {
					t.Fatalf("first segment %p, last %p", q.first, q.last)
				}
			},
		})
	})
}

// However a stream of frames is cut into reads, the frames come out whole.
func FuzzChunk(f *testing.F) {
	f.Add([]byte{3, 200, 0, 5}, uint16(7))
	f.Add([]byte{255, 255, 1}, uint16(60000))
	f.Fuzz(func(t *testing.T, sizes []byte, step uint16) {
		var stream []byte
		var want [][]byte
		for i, s := range sizes {
			size := int(s) * int(s) * 8 // up to half a megabyte: twice a chunk
			raw := append(length(uint32(size)), bytes.Repeat([]byte{byte(i)}, size)...)
			want = append(want, raw)
			if stream = append(stream, raw...); len(stream) > 4<<20 {
				break
			}
		}
		var c chunk
		var got [][]byte
		for len(stream) > 0 {
			n := copy(c.free(), stream[:min(len(stream), int(step)+1)])
			if n == 0 {
				t.Fatal("no room to read into")
			}
			stream = stream[n:]
			c.end += n
			for {
				raw, err := c.next()
				if err != nil {
					t.Fatal(err)
				}
				if raw == nil {
					break
				}
				got = append(got, bytes.Clone(raw))
			}
		}
		if !slices.EqualFunc(got, want, bytes.Equal) || c.len() != 0 {
			t.Fatalf("%d frames and %d bytes left, want %d frames", len(got), c.len(), len(want))
		}
	})
}

func TestAFrameOverTheLimitIsRefusedByItsLength(t *testing.T) {
	var c chunk
	c.end += copy(c.free(), length(wire.MaxFrame))
	if raw, err := c.next(); raw != nil || err != nil {
		t.Errorf("the longest frame: %v, %v", raw, err)
	}
	c = chunk{}
	c.end += copy(c.free(), length(wire.MaxFrame+1))
	if raw, err := c.next(); raw != nil || err == nil {
		t.Errorf("a longer one: %v, %v", raw, err)
	}
}

func TestFlightIsTheMedianOfTheLast(t *testing.T) {
	var c counts
	if got := c.flight(); got != 0 {
		t.Errorf("of none: %d", got)
	}
	for _, x := range []raft.Duration{5, 1, 9} {
		c.arrived(0, raft.Time(x))
	}
	if got := c.flight(); got != 5 {
		t.Errorf("of 5, 1, 9: %d", got)
	}
	for range len(c.flights) {
		c.arrived(0, 7)
	}
	if got := c.flight(); got != 7 {
		t.Errorf("after as many 7s as are kept: %d", got)
	}
}

func TestReadersOfFrames(t *testing.T) {
	p := &Proxy{}
	p.frames.records = make([]Frame, 4)
	ids := func(frames []Frame) (ids []uint64) {
		for _, f := range frames {
			ids = append(ids, f.ID)
		}
		return ids
	}
	add := func(ids ...uint64) {
		var frames []Frame
		for _, id := range ids {
			frames = append(frames, Frame{ID: id})
		}
		p.frames.add(frames)
	}
	add(1, 2)
	start := p.Cursor()
	add(3, 4)
	tests := []struct {
		name   string
		add    []uint64
		from   Cursor
		limit  int
		want   []uint64
		missed uint64
	}{
		{"what came since", nil, start, 10, []uint64{3, 4}, 0},
		{"from the beginning", nil, 0, 10, []uint64{1, 2, 3, 4}, 0},
		{"the latest when there are too many", nil, 0, 3, []uint64{2, 3, 4}, 1},
		{"nothing new", nil, 4, 10, nil, 0},
		{"a place that is yet to come", nil, 99, 10, nil, 0},
		{"a slow reader misses some", []uint64{5, 6, 7}, start, 10, []uint64{4, 5, 6, 7}, 1},
		{"and some more by its limit", nil, start, 2, []uint64{6, 7}, 3},
		{"a reader that wants none", nil, start, 0, nil, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			add(tt.add...)
			frames, next, missed := p.Frames(nil, tt.from, tt.limit)
			if !slices.Equal(ids(frames), tt.want) || missed != tt.missed || next != p.Cursor() {
				t.Errorf("Frames(%d, %d) = %v, %d, missed %d; want %v, %d, missed %d",
					tt.from, tt.limit, ids(frames), next, missed, tt.want, p.Cursor(), tt.missed)
			}
		})
	}
}

// The lead settles where nearly every alarm is earlier, and no further.
func TestLeadLearns(t *testing.T) {
	var l lead
	for i := range 10_000 {
		late := 50 * time.Microsecond
		if i%20 == 0 {
			late = time.Millisecond // now and then the machine is busy
		}
		l.rang(late)
	}
	if l.early < 45*time.Microsecond || l.early > 70*time.Microsecond {
		t.Errorf("alarms 50 µs late, one in twenty much more: wakes %v early", l.early)
	}
	for range 1000 {
		l.rang(time.Second)
	}
	if l.early != leadMax {
		t.Errorf("alarms a second late: wakes %v early, want %v", l.early, leadMax)
	}
}

func TestStayingAwakeIsBounded(t *testing.T) {
	start := time.Now()
	l := lead{early: leadMax, upTo: start}
	awake := time.Duration(0)
	for now := start; now.Before(start.Add(10 * time.Second)); now = now.Add(leadMax) {
		if early := l.allowed(now); early > 0 {
			l.spent(early)
			awake += early
		}
	}
	if limit := 10*time.Second/leadShare + creditMax; awake > limit || awake < limit/2 {
		t.Errorf("awake for %v of 10 s, want at most %v and not much less", awake, limit)
	}
}

func TestAlarmRingsAtTheLastTimeSet(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	a.set(time.Hour)
	rang := make(chan error)
	go func() {
		for range 3 {
			rang <- a.wait()
		}
	}()
	a.set(2 * time.Millisecond)
	if err := <-rang; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 2*time.Millisecond {
		t.Errorf("rang after %v, want 2 ms", took)
	}
	a.set(0)
	if err := <-rang; err != nil {
		t.Fatal(err)
	}
	a.set(time.Hour)
	a.close()
	if err := <-rang; err == nil {
		t.Error("a closed alarm rang")
	}
}

// Lanes are woken by when they are due, not by when they were added.
func TestScheduleWakesInOrder(t *testing.T) {
	c := clock.New(clock.Setting{Rate: moment})
	s, err := newSchedule(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, due := range []raft.Time{5, 3, 9, 1, 7, 3} {
		w := newWake(func() {})
		s.set(&w, due)
	}
	for _, step := range []struct {
		at   raft.Time
		left int
	}{{0, 6}, {1, 5}, {2, 5}, {4, 3}, {100, 0}} {
		c.Set(clock.Setting{At: step.at, Rate: moment, Held: true})
		s.fire()
		before := len(s.wakes)
		c.Set(clock.Setting{At: step.at, Rate: moment})
		s.fire()
		if len(s.wakes) != step.left {
			t.Errorf("at %d: %d lanes wait, want %d", step.at, len(s.wakes), step.left)
		}
		if step.left < 6 && before < step.left {
			t.Errorf("at %d: woken while the clock was held", step.at)
		}
	}
}

// What is overdue when the clock is held waits for the release, asleep.
func TestScheduleSleepsOnAHeldClock(t *testing.T) {
	c := clock.New(clock.Setting{At: 10, Rate: moment, Held: true})
	s, err := newSchedule(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.awake = true
	w := newWake(func() { t.Error("woken on a held clock") })
	s.set(&w, 5)
	if s.fire() {
		t.Error("it stays awake")
	}
	if s.restart(); !s.rings.IsZero() {
		t.Error("it has set the alarm")
	}
	c.Set(clock.Setting{At: 10, Rate: moment})
	if s.restart(); s.rings.IsZero() {
		t.Error("released, it has not set the alarm")
	}
}

// Whatever a sender's connection carries, it is frames of its own link or an
// error, and what is counted is what was frames.
func FuzzPass(f *testing.F) {
	beat, err := wire.AppendMessage(nil, 1, &raft.Message{From: 1, To: 2, Term: 3, Body: &raft.AppendEntries{LeaderCommit: 7}})
	if err != nil {
		f.Fatal(err)
	}
	vote, err := wire.AppendMessage(nil, 2, &raft.Message{From: 1, To: 2, Term: 4, Body: &raft.RequestVote{LastLogIndex: 9, LastLogTerm: 3}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(beat)
	f.Add(slices.Concat(beat, vote, beat[:7]))
	f.Add(slices.Concat(vote, hello(1, 2, good)))
	f.Add(slices.Concat(beat, length(wire.MaxFrame+1)))
	c := clock.New(clock.Setting{Rate: moment})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := New(Options{Nodes: 2, Clock: c})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		l, err := p.lane(1, 2)
		if err != nil {
			t.Fatal(err)
		}
		in := &inbound{}
		in.chunk.end = copy(in.chunk.free(), data)
		had := in.chunk.end
		err = l.pass(in)
		frames, _, _ := p.Frames(nil, 0, recentDefault)
		size := 0
		for i, f := range frames {
			if f.From != 1 || f.To != 2 || !f.Kind.Raft() || f.Number != uint64(i)+1 || f.Reason != DroppedDeadNode {
				t.Errorf("%+v", f)
			}
			size += f.Bytes
		}
		if len(frames) < recentDefault && err == nil && size+in.chunk.len() != had {
			t.Errorf("%d bytes in frames and %d left, of %d", size, in.chunk.len(), had)
		}
		if sent := l.counts.sent; sent < uint64(len(frames)) {
			t.Errorf("%d frames sent, %d on record", sent, len(frames))
		}
	})
}
