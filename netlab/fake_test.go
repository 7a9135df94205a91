package netlab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fakeLab is a lab without processes: its nodes are whatever reports a test
// gives. Its clock is held at 0, so that nothing moves unless a test says so.
func fakeLab(t *testing.T, nodes int, change ...func(*Config)) *lab {
	t.Helper()
	config, err := Profile(ProfileLAN)
	if err != nil {
		t.Fatal(err)
	}
	config.Nodes, config.Seed = nodes, 1
	for _, f := range change {
		f(&config)
	}
	l := &lab{dir: dir(t.TempDir()), name: "fake", config: config, run: 1, log: slog.New(slog.DiscardHandler)}
	l.ctx, l.stop = context.WithCancelCause(context.Background())
	if err := l.build(true); err != nil {
		t.Fatal(err)
	}
	l.clock.Adjust(1, true)
	t.Cleanup(func() {
		l.stop(nil)
		l.endLoad()
		l.gateway.close()
		l.network.close()
		l.engine.hangUp() // perhaps again: a test that accepts connections ends that way
		l.running.Wait()
		l.engine.close()
		if err := l.history.close(); err != nil {
			t.Error(err)
		}
	})
	for id := 1; id <= nodes; id++ {
		l.become(id, StateUp)
	}
	return l
}

// say has a node report a state, as if it had come over the wire.
func (l *lab) say(id int, s wire.State, facts ...wire.Fact) {
	l.report(id, l.talk(id), &wire.Report{State: &s, Facts: facts})
}

// talk is the lab's conversation with a node.
func (l *lab) talk(id int) *control {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.member(id)
	if m.conn == nil {
		end, _ := net.Pipe()
		m.conn = &control{
			node: id, conn: end, closed: make(chan struct{}), wake: make(chan struct{}, 1), waiting: make(map[uint64]chan wire.Outcome),
		}
		m.joined = make(chan struct{})
	}
	return m.conn.(*control)
}

// obeys has a node answer orders as obey says, which is called for one at a
// time.
func (l *lab) obeys(t *testing.T, id int, obey func(wire.Order) wire.Outcome) {
	t.Helper()
	c := l.talk(id)
	l.running.Go(func() {
		for {
			select {
			case <-c.wake:
			case <-c.closed:
				return
			case <-l.ctx.Done():
				return
			}
			c.mu.Lock()
			r := wire.NewReader(bytes.NewReader(bytes.Clone(c.frames)), 1<<10)
			c.frames = c.frames[:0]
			c.mu.Unlock()
			for {
				frame, err := r.Next()
				if err != nil {
					break
				}
				var o wire.Order
				h, err := wire.DecodeControl(frame, &o)
				if err != nil {
					t.Errorf("S%d is sent what it cannot read: %v", id, err)
					break
				}
				out := obey(o)
				c.mu.Lock()
				answer := c.waiting[h.ID]
				c.mu.Unlock()
				answer <- out
			}
		}
	})
}

// lead makes one node leader of a term and all that run its followers.
func (l *lab) lead(id int, term raft.Term) {
	for _, m := range l.members {
		s := wire.State{Role: raft.Follower, Term: term, Vote: raft.NodeID(id), Leader: raft.NodeID(id), Last: 1, LastTerm: term, Durable: 1, Commit: 1, Applied: 1,
			Runs: []raft.TermRun{{First: 1, Term: term}}}
		if m.id == id {
			s.Role = raft.Leader
		}
		if m.status.State == StateUp {
			l.say(m.id, s)
		}
	}
}

// become sets what a node's process is.
func (l *lab) become(id int, state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.member(id).status.State = state
	l.touch(l.member(id))
}

// must carries out an operation that works.
func (l *lab) must(t *testing.T, op Op) *OpResult {
	t.Helper()
	res, err := l.do(t.Context(), &op)
	if err != nil {
		t.Fatalf("%s: %s", op.Verb, told(err))
	}
	return res
}

// told shows all a user would see.
func told(err error) string {
	if err == nil {
		return "no error"
	}
	var e *Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	text, _ := json.Marshal(e)
	return string(text)
}
