package netlab

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// reader is one reader of a stream, who takes an update when a test says so.
type reader struct {
	updates chan Update
	ended   chan error
	status  Status
}

func (l *lab) read(t *testing.T) *reader {
	t.Helper()
	r := &reader{updates: make(chan Update), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		r.ended <- l.stream(ctx, true, everyMin, func(u *Update) error {
			select {
			case r.updates <- *u:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		for {
			select {
			case <-r.updates:
			case err := <-r.ended:
				if !errors.Is(err, context.Canceled) && !errors.Is(err, errStopping) {
					t.Errorf("stream ended with %v", err)
				}
				return
			}
		}
	})
	return r
}

// take takes the next update.
func (r *reader) take(t *testing.T) Update {
	t.Helper()
	select {
	case u := <-r.updates:
		r.status.Apply(u)
		return u
	case <-time.After(5 * time.Second):
		t.Fatal("no update for 5 s")
		return Update{}
	}
}

func TestStreamBeginsWithAStatus(t *testing.T) {
	l := fakeLab(t, 3)
	r := l.read(t)
	u := r.take(t)
	if u.Status == nil || len(u.Status.Nodes) != 3 || len(u.Status.Links) != 6 || u.Missed != 0 {
		t.Errorf("first update %+v, want a whole status", u)
	}
}

// What a reader folds together is what the lab says it is.
func TestStreamTellsWhatChanged(t *testing.T) {
	l := fakeLab(t, 3)
	r := l.read(t)
	r.take(t)
	l.say(2, wire.State{Role: raft.Candidate, Term: 4, Config: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}}, wire.Fact{Kind: raft.EventRole, Role: raft.Candidate, Term: 4})
	u := r.take(t)
	if u.Status != nil || len(u.Nodes) != 1 || u.Nodes[0].ID != 2 || u.Nodes[0].Role != RoleCandidate || len(u.Events) != 1 || u.Lab == nil || u.Lab.Term != 4 {
		t.Errorf("update %+v, want S2 and its event alone", u)
	}
	l.must(t, Op{Verb: "cut", Links: []string{"1", "to", "2"}})
	u = r.take(t)
	if len(u.Nodes) != 0 || len(u.Links) != 1 || !u.Links[0].Cut || len(u.Events) != 1 {
		t.Errorf("update %+v, want one link and the event", u)
	}
	if got, want := r.status, *l.status(); !reflect.DeepEqual(got, want) {
		t.Errorf("folded\n%+v\nthe lab says\n%+v", got, want)
	}
}

// A reader that falls behind is told how things are, not everything it missed.
func TestStreamHasNoBacklog(t *testing.T) {
	l := fakeLab(t, 3)
	r := l.read(t)
	r.take(t)
	// It takes nothing while much happens. How far it was by then is chance: it
	// may have kept up for a while, so it is tried until it has not.
	term, told := raft.Term(0), false
	for try := 0; try < 20 && !told; try++ {
		for range 3 * eventsBehind {
			term++
			l.say(1, wire.State{Role: raft.Follower, Term: term}, wire.Fact{Kind: raft.EventTermSeen, Peer: 2, Term: term})
		}
		for last := l.status().LastEvent; r.status.LastEvent != last; {
			u := r.take(t)
			if len(u.Events) > eventsBehind {
				t.Fatalf("an update of %d events, %d is the most", len(u.Events), eventsBehind)
			}
			told = told || u.Status != nil && u.Missed > 0 && len(u.Events) == 0
		}
		if r.status.Term != uint64(term) {
			t.Fatalf("caught up at term %d, want %d", r.status.Term, term)
		}
	}
	if !told {
		t.Error("however far behind, it was never told the status and how much it missed")
	}
	// And then on from there.
	l.say(3, wire.State{Role: raft.Follower, Term: term + 1}, wire.Fact{Kind: raft.EventTermSeen, Peer: 2, Term: term + 1})
	if u := r.take(t); u.Status != nil || len(u.Events) != 1 {
		t.Errorf("update %+v, want one event", u)
	}
}

// A lab without readers does nothing for them, and one at rest nothing for
// those it has.
func TestStreamAtRest(t *testing.T) {
	l := fakeLab(t, 3)
	l.say(1, wire.State{Term: 1})
	if l.watch != nil {
		t.Error("somebody is woken although nobody reads")
	}
	r := l.read(t)
	r.take(t)
	select {
	case u := <-r.updates:
		t.Errorf("update %+v of a lab in which nothing happens", u)
	case <-time.After(20 * everyMin):
	}
}
