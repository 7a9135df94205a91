package raft_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/raftlab/raftlab/netlab/check"
	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/raft"
)

// Labs watch their servers with package check, which hears of what they do late,
// of each with another delay, and not of all. Here it watches the simulated
// clusters, beside the checker that sees everything: it must find nothing in a
// schedule that goes well, and what a rule protects where that is switched off.

// watcher feeds a [check.Checker] as a lab's telemetry does.
type watcher struct {
	*check.Checker
	rand   *rand.Rand // its own: the schedule is the same with it and without
	tell   []teller   // by id
	frames uint64
	reader deed.Reader
	found  int // violations that were seen to
}

// teller is what one server has told, and what of it is still under way.
type teller struct {
	deed.Witness
	way  [][]byte // each told at once
	life int
}

var errWatched = errors.New("seen from outside")

func newWatcher(servers int) *watcher {
	return &watcher{
		Checker: check.New(check.Config{Window: 1 << 12}),
		rand:    rand.New(rand.NewPCG(1, uint64(servers))),
		tell:    make([]teller, servers+1),
	}
}

// send puts what a server has done since the last time on its way.
func (w *watcher) send(id raft.NodeID) {
	t := &w.tell[id]
	if len(t.Deeds()) == 0 {
		return
	}
	var b []byte
	var at raft.Time
	for i := range t.Deeds() {
		d := &t.Deeds()[i]
		b = deed.Append(b, d, at)
		at = d.At
	}
	t.Reset()
	t.way = append(t.way, b)
}

// arrive lets some of what is under way arrive.
func (w *watcher) arrive() {
	if w.rand.IntN(3) > 0 {
		return
	}
	id := raft.NodeID(1 + w.rand.IntN(len(w.tell)-1))
	for n := w.rand.IntN(8); n > 0 && len(w.tell[id].way) > 0; n-- {
		w.hear(id)
	}
}

// all lets everything arrive.
func (w *watcher) all() {
	for id := range w.tell {
		for len(w.tell[id].way) > 0 {
			w.hear(raft.NodeID(id))
		}
	}
}

func (w *watcher) hear(id raft.NodeID) {
	t := &w.tell[id]
	w.reader.Reset(t.way[0])
	t.way = t.way[1:]
	var d deed.Deed
	for w.reader.More() {
		if err := w.reader.Next(&d); err != nil {
			panic(err)
		}
		w.Deed(id, &d)
	}
}

// started is a server that comes up. Of what its last life had under way some
// may never arrive.
func (w *watcher) started(s *server) {
	t := &w.tell[s.id]
	if t.life > 0 {
		for n := w.rand.IntN(len(t.way) + 1); n > 0; n-- {
			w.hear(s.id)
		}
		t.way = nil
		t.Reset()
		w.Lost(s.node.Status().TimerStart, s.id, "crashed")
	}
	t.life = s.life
	from := s.disk.restored()
	t.Started(0, &from, s.cfg.Members)
	t.Stored(0, s.disk.entries)
	w.send(s.id)
}

func (w *watcher) handedOut(s *server, r *raft.Ready) {
	w.tell[s.id].Ready(r)
	w.send(s.id)
}

func (w *watcher) apply(s *server, e *applied) {
	effect := deed.Effect{}
	if e.id.seq > 0 && !e.read {
		effect.Is = deed.Repeated
		if e.took {
			effect = deed.Effect{Is: deed.TookEffect, Session: uint64(e.id.client), Seq: uint64(e.id.seq)}
		}
	}
	w.tell[s.id].Apply(0, &e.Entry, effect)
	w.send(s.id)
}

func (w *watcher) leaves(m *raft.Message) {
	w.frames++
	w.Message(0, w.frames, m)
}

// err is a violation that was not told of yet.
func (w *watcher) err() error {
	v := w.Violations()
	if len(v) == w.found {
		return nil
	}
	w.found++
	return errors.Join(errWatched, errors.New(v[w.found-1].Message()))
}

// watchedUnsafe says, of each rule that endangers what package check looks at,
// by which seed at the latest it is found from outside.
var watchedUnsafe = map[raft.Unsafe]uint64{
	raft.UnsafeCommitOldTerms:     2000,
	raft.UnsafeVoteStaleLogs:      100,
	raft.UnsafeVoteTwice:          60,
	raft.UnsafeForgetVote:         300,
	raft.UnsafeSkipLogCheck:       300,
	raft.UnsafeTruncateAlways:     400,
	raft.UnsafeCommitUnmatched:    300,
	raft.UnsafeAckBeforeFsync:     60,
	raft.UnsafeDirectConfigChange: 1000,
	raft.UnsafeNoSessions:         40,
}

// TestUnsafeRulesAreSeenFromOutside: of each rule that is switched off what it
// protects is found broken, by its name, though the watcher hears late.
func TestUnsafeRulesAreSeenFromOutside(t *testing.T) {
	for _, tt := range unsafeSchedules {
		rule := describe(t, tt.rule)
		seeds, ok := watchedUnsafe[tt.rule]
		if !ok {
			continue // of what clients see nobody here tells the watcher
		}
		t.Run(rule.Name, func(t *testing.T) {
			others := map[string]int{}
			for seed := uint64(1); seed <= seeds; seed++ {
				s := newSim(drawSchedule(seed, tt.weather, func(d *draw) { d.config.Unsafe = tt.rule }))
				s.check.blind = true // it would stop at the first thing it sees
				_ = s.run()          // what stops a schedule is looked for by others
				s.check.watcher.all()
				for _, v := range s.check.watcher.Violations() {
					if v.Property.Name() == rule.Endangers {
						t.Logf("seed %d: %s", seed, v.Message())
						if len(others) > 0 {
							t.Logf("before that: %v", others)
						}
						return
					}
					others[v.Property.Name()]++
				}
			}
			t.Fatalf("not found in %d schedules; found is %v", seeds, others)
		})
	}
}

// TestWatcherSeesSabotage: what no rule that can be switched off does.
func TestWatcherSeesSabotage(t *testing.T) {
	tests := []struct {
		name     string
		sabotage sabotage
		want     check.Property
	}{
		{"entries change on their way", sabotage{send: func(m raft.Message) raft.Message {
			if a, ok := m.Body.(*raft.AppendEntries); ok && len(a.Entries) > 0 {
				changed := *a
				changed.Entries = append([]raft.Entry(nil), a.Entries...)
				changed.Entries[0].Data = append([]byte("for someone"), byte(m.To))
				m.Body = &changed
			}
			return m
		}}, check.LogMatching},
		{"a restart forgets the log", sabotage{start: func(s *server) { s.disk = disk{state: s.disk.state} }}, check.LeaderCompleteness},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for seed := uint64(1); seed <= 300; seed++ {
				s := newSim(drawSchedule(seed))
				s.sabotage, s.check.blind = &tt.sabotage, true
				_ = s.run() // the sabotaged server may see it itself, and panic
				s.check.watcher.all()
				for _, v := range s.check.watcher.Violations() {
					if v.Property == tt.want {
						t.Logf("seed %d: %s", seed, v.Message())
						return
					}
				}
			}
			t.Fatal("not seen")
		})
	}
}
