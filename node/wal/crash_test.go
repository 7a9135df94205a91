package wal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// play does everything a log is for, one after the other, until the disk fails:
// appends over several segments, snapshots, drops, a snapshot that is installed
// and keeps the log, one that replaces it.
func (s *scene) play() error {
	fill := func(n int, term raft.Term) error {
		for range n {
			m := s.now()
			s.append(nil, nil, large(m.last()+1, term, 200))
			if err := s.l.wait(s.l.sync); err != nil {
				return err
			}
			s.acknowledged()
		}
		return nil
	}
	snapshot := func() error {
		i := s.now().last() - 1
		if err := s.take(i); err != nil {
			return err
		}
		s.drop(i)
		s.l.background.Wait()
		return nil
	}
	install := func(in raft.Install, state *raft.HardState, entries []raft.Entry) error {
		in.Meta.Config = configOf(in.Meta.Index)
		if err := s.receive(in.Meta, 90<<10); err != nil {
			return err
		}
		s.append(&in, state, entries)
		s.append(nil, nil, ents(s.now().last()+1, in.Meta.Term)) // right behind
		if err := s.l.wait(s.l.sync); err != nil {
			return err
		}
		s.acknowledged()
		s.l.background.Wait()
		return nil
	}
	s.append(nil, hs(1, 1), ents(1, 1, 1))
	for _, step := range []func() error{
		func() error { return fill(8, 1) },
		snapshot,
		func() error { return fill(16, 2) },
		snapshot,
		func() error { return fill(4, 2) },
		func() error {
			m := s.now()
			in := raft.Install{Meta: raft.SnapshotMeta{Index: m.last() - 1, Term: 2}, KeepLog: true}
			return install(in, hs(3, 0), ents(m.last(), 3, 3))
		},
		func() error { s.drop(s.now().snapshot.Index); s.l.background.Wait(); return fill(8, 3) },
		func() error {
			m := s.now()
			in := raft.Install{Meta: raft.SnapshotMeta{Index: m.last() + 20, Term: 5}}
			return install(in, hs(5, 2), ents(m.last()+21, 5, 5))
		},
		func() error { return fill(8, 5) },
		func() error { // the log is longer than the snapshot, and of another term there
			m := s.now()
			in := raft.Install{Meta: raft.SnapshotMeta{Index: m.last() - 2, Term: 6}}
			return install(in, nil, nil)
		},
		func() error { return fill(3, 6) },
		snapshot,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// The disk goes off after every single change that is asked of it: a write, a
// sync, a file made, renamed or removed, a directory synced. Then the process
// is gone, or the power is. What is found is what was acknowledged, or more; it
// survives the next power cut as it is, and the log goes on from there.
func TestCrashAfterEveryChangeOfTheDisk(t *testing.T) {
	whole := newScene(t, 1<<10)
	if err := whole.play(); err != nil {
		t.Fatal(err)
	}
	whole.l.close()
	whole.restart(t)
	steps := whole.d.steps
	if steps < 150 {
		t.Fatalf("only %d changes of the disk", steps)
	}
	stride := 1
	if testing.Short() {
		stride = 7
	}
	for _, tt := range []struct {
		name string
		end  func(*disk, *rand.Rand) error
	}{{"kill", (*disk).kill}, {"power cut", (*disk).cut}} {
		t.Run(tt.name, func(t *testing.T) {
			for last := 1; last <= steps+10; last += stride {
				t.Run(fmt.Sprint(last), func(t *testing.T) { crash(t, last, tt.end) })
			}
		})
	}
}

func crash(t *testing.T, last int, end func(*disk, *rand.Rand) error) {
	r := rand.New(rand.NewPCG(uint64(last), 0))
	s := &scene{t: t, dir: t.TempDir(), d: newDisk(), history: []moment{{}}}
	s.d.last = last
	s.opts = s.d.options()
	s.opts.segmentSize = 1 << 10
	var err error
	if s.l, err = tryOpen(t, s.dir, s.opts); err == nil {
		if err := s.play(); err == nil {
			t.Log("the disk did not fail") // what runs beside takes a step more or less
		}
	}
	if err := end(s.d, r); err != nil {
		t.Fatal(err)
	}
	if s.l != nil {
		s.l.Close()
		s.acknowledged()
	}
	s.d.on()
	s.restart(t)
	again := func() {
		if err := s.d.cut(r); err != nil {
			t.Fatal(err)
		}
		s.l.Close()
		s.d.on()
		s.restart(t)
	}
	again()
	for range 2 {
		m := s.now()
		s.append(nil, nil, ents(m.last()+1, 9))
		if err := s.l.wait(s.l.sync); err != nil {
			t.Fatal(err)
		}
		s.acknowledged()
		again()
	}
	s.l.close()
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
}
