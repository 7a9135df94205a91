package node

import (
	"reflect"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// hold stops a lab's clock and waits until all nodes say that they stand.
func (l *fakeLab) hold() {
	l.t.Helper()
	l.setClock(1, true)
	l.wait("the hold", func() bool { return l.all(func(n *fakeNode) bool { return n.state.Held }) })
}

// steps orders a node to take one thing in and returns what waits then.
func (l *fakeLab) steps(n *fakeNode, s wire.Step) *wire.Waiting {
	l.t.Helper()
	out := l.order(n, wire.Order{Verb: wire.OrderStep, Step: &s})
	if out.Error != "" || out.Waiting == nil {
		l.t.Fatalf("step %+v of %v: %+v", s, n.id, out)
	}
	return out.Waiting
}

// next takes one thing in at the node where something waits, or the timer that
// is due first. It reports what it did, and "" when nothing is to come.
func (l *fakeLab) next(at *raft.Time) (n *fakeNode, did string) {
	l.t.Helper()
	var due *fakeNode
	first, timer := raft.Never, raft.TimerNone
	for id := range raft.NodeID(l.size) {
		n := l.nodes[id+1]
		w := l.steps(n, wire.Step{})
		switch {
		case w.Disk:
			l.steps(n, wire.Step{At: *at, Take: wire.TakeDisk})
			return n, "disk"
		case w.Messages > 0:
			kind := w.Message.Kind.String()
			l.steps(n, wire.Step{At: *at, Take: wire.TakeMessage, From: w.Message.From, Number: w.Message.Number})
			return n, kind
		case w.Requests > 0:
			what := w.Request
			l.steps(n, wire.Step{At: *at, Take: wire.TakeRequest})
			return n, what
		case w.Due < first:
			first, due, timer = w.Due, n, w.Timer
		}
	}
	if due == nil {
		return nil, ""
	}
	*at = max(*at, first)
	if w := l.steps(due, wire.Step{At: *at, Take: wire.TakeTimer}); w.At != *at {
		l.t.Fatalf("a step to %v leaves %v at %v", *at, due.id, w.At)
	}
	return due, timer.String()
}

// A cluster that was never let run elects a leader step by step, and in every
// step only the node moves that takes it.
func TestStepsOfAnElection(t *testing.T) {
	l := newFakeLab(t, 3)
	l.setClock(1, true)
	l.startAll()
	l.wait("three nodes", func() bool { return len(l.nodes) == 3 && l.all(func(n *fakeNode) bool { return n.state.Held }) })
	var did []string
	at := raft.Time(0)
	for range 200 {
		before := l.states()
		n, what := l.next(&at)
		did = append(did, what)
		for i, s := range l.states() {
			if id := raft.NodeID(i + 1); id != n.id && !reflect.DeepEqual(s, before[i]) {
				t.Fatalf("%s at %v changed %v from %+v to %+v", what, n.id, id, before[i], s)
			}
		}
		if l.all(func(n *fakeNode) bool { return n.state.Leader != 0 && n.state.Commit > 0 }) {
			break
		}
	}
	if !l.all(func(n *fakeNode) bool { return n.state.Leader != 0 && n.state.Commit > 0 }) {
		t.Fatalf("no leader in 200 steps: %s", strings.Join(did, ", "))
	}
	// The order of the paper: who times out asks, is answered, wins, and tells.
	rest := did
	for _, want := range []string{"election", "vote", "vote-reply", "append", "append-reply"} {
		i := 0
		for i < len(rest) && rest[i] != want {
			i++
		}
		if i == len(rest) {
			t.Fatalf("no %s where it belongs in %s", want, strings.Join(did, ", "))
		}
		rest = rest[i:]
	}
	if did[0] != "election" {
		t.Errorf("it begins with %s", did[0])
	}
}

// A client's request is taken in by a step of its own, and answered by the one
// that commits it.
func TestStepsOfARequest(t *testing.T) {
	l := startLab(t, 3)
	leader, follower := l.leader(), l.follower()
	l.hold()
	c, stray := l.dial(leader), l.dial(follower)
	answers := make(chan wire.Reply, 1)
	go func() { answers <- c.put("x", "1") }()
	stray.send(wire.Request{ID: 1, Op: wire.OpPut, Session: 5, Seq: 1, Key: []byte("y"), Value: []byte("2")})
	var at raft.Time
	for l.steps(leader, wire.Step{}).Requests == 0 || l.steps(follower, wire.Step{}).Requests == 0 {
		at = max(at, l.shown(leader).At, l.shown(follower).At)
	}
	last := l.shown(leader).Last
	if w := l.steps(follower, wire.Step{At: at, Take: wire.TakeRequest}); !w.Fruitless || w.Requests != 0 {
		t.Errorf("a put at a follower: %+v", w)
	}
	if r := stray.receive(); r.Code != wire.CodeNotLeader || r.Leader != leader.id {
		t.Errorf("a put at a follower: %+v", r)
	}
	taken := false
	for range 200 {
		n, what := l.next(&at)
		if what == "put x=1" {
			taken = n == leader
			if s := l.shown(leader); s.Last != last+1 || s.Durable != s.Last || s.Commit == s.Last {
				t.Errorf("the request alone: %+v", s)
			}
		}
		if len(answers) > 0 {
			break
		}
	}
	if r := <-answers; !taken || r.Code != wire.CodeOK || r.Index != last+1 {
		t.Errorf("taken %v, answered %+v", taken, r)
	}
	// What waits is not lost when the clock goes on.
	go func() { answers <- c.put("x", "3") }()
	for l.steps(leader, wire.Step{}).Requests == 0 {
	}
	l.setClock(1, false)
	if r := <-answers; r.Code != wire.CodeOK {
		t.Errorf("after release: %+v", r)
	}
}

// A node that is not held takes no step, and a step that waits ends with the hold.
func TestStepsAreForTheHeld(t *testing.T) {
	l := startLab(t, 1)
	n := l.leader()
	if out := l.order(n, wire.Order{Verb: wire.OrderStep, Step: &wire.Step{}}); !strings.Contains(out.Error, "the clock runs") {
		t.Errorf("a step while it runs: %+v", out)
	}
	l.hold()
	for _, o := range []wire.Order{{Verb: wire.OrderStep}, {Verb: wire.OrderStep, Step: &wire.Step{Take: 99}}} {
		if out := l.order(n, o); !strings.Contains(out.Error, "does not say what to take in") {
			t.Errorf("%+v: %+v", o, out)
		}
	}
	o := wire.Order{Verb: wire.OrderStep, Step: &wire.Step{Take: wire.TakeMessage, From: 2, Number: 7}}
	id := l.send(n, o)
	if out := l.order(n, wire.Order{Verb: wire.OrderLog}); out.Error != "" {
		t.Errorf("an order behind a step that waits: %+v", out)
	}
	l.setClock(1, false)
	if out := l.outcome(n, o, id); !strings.Contains(out.Error, "released meanwhile") {
		t.Errorf("a step that waited for a message until the release: %+v", out)
	}
}

// What waits is taken out one by one, and makes room.
func TestInboxGivesOneByOne(t *testing.T) {
	b := newInbox()
	messages := []raft.Message{{From: 2, Term: 1}, {From: 3, Term: 2}, {From: 2, Term: 3}, {From: 2, Term: 4}}
	b.putMessages(messages, []uint64{5, 5, 6, 6}, 400)
	for _, step := range []struct {
		from   raft.NodeID
		number uint64
		want   raft.Term // 0: it is not there
	}{{3, 6, 0}, {2, 6, 3}, {4, 0, 0}, {2, 0, 1}, {2, 6, 4}, {2, 6, 0}, {0, 0, 2}, {0, 0, 0}} {
		m, ok := b.takeMessage(step.from, step.number)
		if ok != (step.want != 0) || m.Term != step.want {
			t.Errorf("message %d of %v: %v, %v, want that of term %d", step.number, step.from, m, ok, step.want)
		}
	}
	b.putRequests([]request{{id: 1}, {id: 2}}, 200)
	for want := range uint64(3) {
		if q, ok := b.takeRequest(); ok != (want < 2) || ok && q.id != want+1 {
			t.Errorf("request %d: %+v, %v", want+1, q, ok)
		}
	}
	if b.in.messageBytes != 0 || b.in.requestBytes != 0 {
		t.Errorf("an empty inbox holds %d and %d bytes", b.in.messageBytes, b.in.requestBytes)
	}
}
