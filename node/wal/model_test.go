package wal

import (
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/raft"
)

// model is what a log should hold: the plainest second implementation.
type model struct {
	state   raft.HardState
	entries []raft.Entry
}

// append returns m with what an Append brings. It leaves m as it is.
func (m model) append(state *raft.HardState, entries []raft.Entry) model {
	if state != nil {
		m.state = *state
	}
	if len(entries) > 0 {
		m.entries = append(slices.Clone(m.entries[:entries[0].Index-1]), entries...)
	}
	return m
}

func (m model) restored() raft.Restored {
	r := raft.Restored{HardState: m.state, LastIndex: raft.Index(len(m.entries))}
	for _, e := range m.entries {
		if n := len(r.Runs); n == 0 || r.Runs[n-1].Term != e.Term {
			r.Runs = append(r.Runs, raft.TermRun{First: e.Index, Term: e.Term})
		}
	}
	return r
}

func (m model) is(r raft.Restored, entries []raft.Entry) bool {
	want := m.restored()
	return r.HardState == want.HardState && r.LastIndex == want.LastIndex &&
		(len(r.Runs) == 0 && len(want.Runs) == 0 || reflect.DeepEqual(r.Runs, want.Runs)) && equal(entries, m.entries)
}

// equal tells whether two logs are the same; no data and empty data are.
func equal(a, b []raft.Entry) bool {
	return slices.EqualFunc(a, b, func(a, b raft.Entry) bool {
		return a.Index == b.Index && a.Term == b.Term && a.Kind == b.Kind && string(a.Data) == string(b.Data)
	})
}

// Random appends, overwrites, reads, restarts, kills and power cuts, against
// the model. What was acknowledged is always there; what comes back is always
// what the log was at some moment since.
func TestLogIsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		d := newDisk()
		opts := Options{OpenFile: d.open, segmentSize: rapid.Int64Range(0, 8<<10).Draw(rt, "segment size")}
		draws := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		l := openLog(t, dir, opts)
		defer func() { d.hold(false); l.Close() }()

		// history[0] is what is known to be acknowledged, the last is what is queued.
		history, first := []model{{}}, uint64(0)
		now := func() *model { return &history[len(history)-1] }
		term := raft.Term(1)
		restart := func() {
			l = openLog(t, dir, opts)
			if n := len(d.files); n > 0 {
				rt.Fatalf("Open relies on %d files that it has not synced", n)
			}
			log, err := l.Entries(1, l.found.LastIndex+1, 1<<30)
			if err != nil {
				rt.Fatal(err)
			}
			i := slices.IndexFunc(history, func(m model) bool { return m.is(l.found.Restored, log) })
			if i < 0 {
				rt.Fatalf("recovered %+v, none of the %d states since the last acknowledged one, %+v", l.found, len(history), history[0].restored())
			}
			history, first = history[i:i+1], 0
		}
		acknowledged := func() {
			l.mu.Lock()
			done := l.durable
			l.mu.Unlock()
			if done > first {
				history, first = history[done-first:], done
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				from := raft.Index(len(now().entries)) + 1
				if rapid.IntRange(0, 4).Draw(rt, "overwrite") == 0 {
					from = raft.Index(rapid.IntRange(1, int(from)).Draw(rt, "from"))
				}
				n := rapid.IntRange(0, 6).Draw(rt, "entries")
				var entries []raft.Entry
				for i := range n {
					if draws.IntN(8) == 0 {
						term++
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
					entries = append(entries, raft.Entry{Index: from + raft.Index(i), Term: term, Kind: raft.EntryKind(draws.IntN(3)), Data: data})
				}
				var state *raft.HardState
				if draws.IntN(3) == 0 {
					state = hs(term, raft.NodeID(draws.IntN(6)))
				}
				l.put(state, entries)
				history = append(history, now().append(state, entries))
			},
			"hold syncs": func(rt *rapid.T) {
				d.hold(true)
			},
			"one sync": func(rt *rapid.T) {
				d.pass() // what waited becomes a group, whose sync waits in turn
			},
			"wait": func(rt *rapid.T) {
				d.hold(false)
				if err := l.wait(l.sync); err != nil {
					rt.Fatal(err)
				}
				acknowledged()
			},
			"read": func(rt *rapid.T) {
				all := now().entries
				lo := rapid.IntRange(1, len(all)+1).Draw(rt, "lo")
				hi := rapid.IntRange(lo, len(all)+1).Draw(rt, "hi")
				budget := rapid.SampledFrom([]int{0, 100, 1000, 10000, 1 << 30}).Draw(rt, "bytes")
				got, err := l.Entries(raft.Index(lo), raft.Index(hi), budget)
				if err != nil {
					rt.Fatal(err)
				}
				want := all[lo-1 : hi-1]
				for i, sum := 0, 0; i < len(want); i++ {
					if sum += len(want[i].Data); sum > budget && i > 0 {
						want = want[:i]
					}
				}
				if !equal(got, want) {
					rt.Fatalf("Entries(%d, %d, %d) = %v, want %v", lo, hi, budget, got, want)
				}
			},
			"restart": func(rt *rapid.T) {
				d.hold(false)
				if err := l.Close(); err != nil {
					rt.Fatal(err)
				}
				history, first = history[len(history)-1:], 0
				restart()
			},
			"power cut": func(rt *rapid.T) {
				if err := d.cut(draws); err != nil {
					rt.Fatal(err)
				}
				l.Close()
				acknowledged()
				d.on()
				restart()
			},
			"kill": func(rt *rapid.T) {
				if err := d.kill(draws); err != nil {
					rt.Fatal(err)
				}
				l.Close()
				acknowledged()
				d.on()
				restart()
			},
		})
	})
}
