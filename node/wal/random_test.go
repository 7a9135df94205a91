package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/raft"
)

// Random appends, overwrites, snapshots, installations, drops, reads, restarts,
// kills, power cuts and rotten snapshots, against the model. What was
// acknowledged is always there; what comes back is always what the log was at
// some moment since.
func TestLogIsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newScene(t, rapid.Int64Range(0, 8<<10).Draw(rt, "segment size"))
		draws := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		defer func() { s.d.hold(false); s.l.Close(); os.RemoveAll(s.dir) }()

		term := raft.Term(1)
		entries := func(from raft.Index, n int) (out []raft.Entry) {
			for i := range n {
				switch draws.IntN(16) {
				case 0, 1:
					term++
				case 2:
					term = max(term-1, 1) // as some unsafe rules have it
				}
				size := draws.IntN(200)
				if draws.IntN(20) == 0 {
					size = draws.IntN(6 << 10)
				}
				data := make([]byte, size)
				if draws.IntN(10) > 0 {
					for i := range data {
						data[i] = byte(draws.Uint32())
					}
				}
				out = append(out, raft.Entry{Index: from + raft.Index(i), Term: term, Kind: raft.EntryKind(draws.IntN(3)), Data: data})
			}
			return out
		}
		state := func() *raft.HardState {
			if draws.IntN(3) > 0 {
				return nil
			}
			return hs(term, raft.NodeID(draws.IntN(6)))
		}
		index := func(name string, lo, hi raft.Index) raft.Index {
			return raft.Index(rapid.Uint64Range(uint64(lo), uint64(hi)).Draw(rt, name))
		}
		wait := func(rt *rapid.T) {
			s.d.hold(false)
			if err := s.l.wait(s.l.sync); err != nil {
				rt.Fatal(err)
			}
			s.acknowledged()
		}
		end := func(how func(*rand.Rand) error) func(*rapid.T) {
			return func(rt *rapid.T) {
				if err := how(draws); err != nil {
					rt.Fatal(err)
				}
				s.l.Close()
				s.acknowledged()
				s.d.on()
				s.restart(rt)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				m := s.now()
				from := m.last() + 1
				// What a snapshot has is committed, and not overwritten.
				if low := max(m.base, m.snapshot.Index) + 1; low < from && rapid.IntRange(0, 4).Draw(rt, "overwrite") == 0 {
					from = index("from", low, from)
				}
				s.append(nil, state(), entries(from, rapid.IntRange(0, 6).Draw(rt, "entries")))
			},
			"hold syncs": func(rt *rapid.T) {
				s.d.hold(true)
			},
			"one sync": func(rt *rapid.T) {
				s.d.pass() // what waited becomes a group, whose sync waits in turn
			},
			"wait": wait,
			"take a snapshot": func(rt *rapid.T) {
				m := s.now()
				if m.snapshot.Index >= m.last() {
					rt.Skip()
				}
				s.d.hold(false)
				if err := s.take(index("of", m.snapshot.Index+1, m.last())); err != nil {
					rt.Fatal(err)
				}
				s.readSnapshots(rt)
			},
			"install a snapshot": func(rt *rapid.T) {
				m := s.now()
				in := raft.Install{Meta: raft.SnapshotMeta{Index: m.snapshot.Index + 1 + raft.Index(draws.IntN(12)), Term: term}}
				in.Meta.Index = max(in.Meta.Index, m.base+1)
				in.Meta.Config = configOf(in.Meta.Index)
				from := in.Meta.Index + 1
				if in.Meta.Index <= m.last() {
					if in.Meta.Term = m.term(in.Meta.Index); draws.IntN(2) == 0 {
						in.KeepLog = true
						from += raft.Index(draws.IntN(int(m.last() - in.Meta.Index + 1)))
					} else {
						in.Meta.Term++
					}
				}
				if draws.IntN(3) == 0 { // another one came before, and not to its end
					other := raft.SnapshotMeta{Index: 999, Term: 1, Config: configOf(1)}
					if err := s.l.WriteChunk(raft.SnapshotChunk{Meta: other, Data: []byte("x")}); err != nil {
						rt.Fatal(err)
					}
				}
				if err := s.receive(in.Meta, 1+draws.IntN(100<<10)); err != nil {
					rt.Fatal(err)
				}
				s.append(&in, state(), entries(from, draws.IntN(4)))
			},
			"drop": func(rt *rapid.T) {
				s.drop(index("through", 0, s.now().snapshot.Index))
			},
			"read": func(rt *rapid.T) {
				m := s.now()
				first := max(m.base, min(s.dropped, m.last())) + 1
				lo := index("lo", first, m.last()+1)
				hi := index("hi", lo, m.last()+1)
				budget := rapid.SampledFrom([]int{0, 100, 1000, 10000, 1 << 30}).Draw(rt, "bytes")
				got, err := s.l.Entries(lo, hi, budget)
				if err != nil {
					rt.Fatal(err)
				}
				want := m.entries[lo-m.base-1 : hi-m.base-1]
				for i, sum := 0, 0; i < len(want); i++ {
					if sum += len(want[i].Data); sum > budget && i > 0 {
						want = want[:i]
					}
				}
				if !equal(got, want) {
					rt.Fatalf("Entries(%d, %d, %d) = %v, want %v", lo, hi, budget, got, want)
				}
			},
			"read what is dropped": func(rt *rapid.T) {
				m := s.now()
				if m.base == 0 {
					rt.Skip()
				}
				lo := index("lo", 1, m.base)
				if got, err := s.l.Entries(lo, m.base+1, 100); !errors.Is(err, ErrDropped) {
					rt.Fatalf("Entries(%d, %d) = %v, %v, want ErrDropped", lo, m.base+1, got, err)
				}
			},
			"restart": func(rt *rapid.T) {
				wait(rt)
				if err := s.l.Close(); err != nil {
					rt.Fatal(err)
				}
				s.restart(rt)
			},
			"power cut": end(s.d.cut),
			"kill":      end(s.d.kill),
			"the newest snapshot rots": func(rt *rapid.T) {
				wait(rt)
				if err := s.l.Close(); err != nil {
					rt.Fatal(err)
				}
				s.rot(rt, draws)
			},
		})
	})
}

// rot flips a bit of the newest snapshot of a closed log and opens that. If the
// log reaches back to the older snapshot, that one counts; else the log is
// refused, and taken again when the bit is right again.
func (s *scene) rot(t fataler, draws *rand.Rand) {
	t.Helper()
	m := s.now()
	before, _, err := read(s.dir)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if m.snapshot.Index == 0 {
		s.restart(t)
		return
	}
	// One that is kept no more may be there still.
	kept, _, err := listSnapshots(s.dir)
	if err != nil || len(kept) == 0 {
		t.Fatalf("%v, %v", kept, err)
	}
	older := func(k int) (meta raft.SnapshotMeta) {
		if k := len(kept) - 1 - k; k >= 0 {
			meta = raft.SnapshotMeta{Index: kept[k].index, Term: kept[k].term, Config: configOf(kept[k].index)}
		}
		return meta
	}
	if m.older.Index != 0 && !sameSnapshot(older(1), m.older) {
		t.Fatalf("snapshots %v, want %v to be kept", kept, m.older)
	}
	m.older = older(1)
	path := snapshotPath(s.dir, m.snapshot.Index, m.snapshot.Term)
	file := fileOf(m.snapshot)
	bad := slices.Clone(file)
	bad[draws.IntN(len(bad))] ^= 1 << draws.IntN(8)
	overwrite(s.t, path, bad)
	replaceable := m.base <= m.older.Index && m.snapshot.Index <= m.last() && m.term(m.snapshot.Index) == m.snapshot.Term
	if replaceable && m.older.Index > 0 && before.Base > m.older.Index {
		t.Fatalf("the log is dropped up to %d, the older snapshot is of entry %d", before.Base, m.older.Index)
	}
	if replaceable && before.Base <= m.older.Index {
		want := fmt.Sprintf("removed %s, which is damaged", path[len(s.dir)+1:])
		m.snapshot, m.older = m.older, older(2)
		s.history = []moment{{m, 0}}
		s.restart(t)
		if !slices.ContainsFunc(s.l.found.Notes, func(n string) bool { return len(n) > len(want) && n[:len(want)] == want }) {
			t.Fatalf("notes %q, want %q", s.l.found.Notes, want)
		}
		return
	}
	var damage *DamageError
	var other *VersionError
	if _, _, err := Open(s.dir, s.opts); !errors.As(err, &other) && (!errors.As(err, &damage) || damage.File != path) {
		t.Fatalf("Open with a damaged snapshot: %v, want a DamageError of %s", err, path)
	}
	overwrite(s.t, path, file)
	s.restart(t)
}
