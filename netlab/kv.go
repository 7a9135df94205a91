package netlab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/raftlab/raftlab/netlab/explain"
	"github.com/raftlab/raftlab/node/client"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// The ways to answer a get (thesis §6.4).
const (
	ReadLog   = "log"
	ReadIndex = "index"
	ReadLease = "lease"
	ReadStale = "stale"
)

const (
	kvTimeout    = 5 * time.Second
	kvTimeoutMax = time.Hour
)

// gateway is how commands without a connection of their own become a client of
// the cluster. The lab knows who leads, so unlike a client on its own it need
// not wait for a leader that was parted from the majority to fall silent: each
// leader gets a client of its own, which ends with its last operation.
type gateway struct {
	lab *lab

	mu   sync.Mutex
	now  *route
	over bool
}

// route is the gateway's client under one leader.
type route struct {
	client kvClient
	leader int
	users  int // operations under way
}

func newGateway(l *lab) *gateway { return &gateway{lab: l} }

// take returns the route for an operation, which gives it back when done.
func (g *gateway) take() *route {
	g.lab.mu.Lock()
	leader := g.lab.leader()
	g.lab.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if old := g.now; old == nil || leader != 0 && leader != old.leader {
		g.now = &route{client: g.lab.newClient(g.lab.clients.Add(1), g.lab.clientNodes), leader: leader}
		if g.over {
			g.now.client.Close() // says so to whoever asks
		}
		if old != nil && old.users == 0 {
			old.client.Close()
		}
	}
	g.now.users++
	return g.now
}

func (g *gateway) giveBack(r *route) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.users--; r.users == 0 && r != g.now {
		r.client.Close()
	}
}

func (g *gateway) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	if g.now != nil {
		g.now.client.Close()
	}
}

// newClient returns the nth client of this run of the lab, which looks for the
// cluster at nodes. Its session is no other's: the cluster remembers those of
// earlier runs.
func (l *lab) newClient(n uint64, nodes func() []int) kvClient {
	session := mix(l.config.Seed, seedSession, uint64(l.run), n)
	return l.engine.newClient(max(session, 1), mix(l.config.Seed, seedClient, uint64(l.run), n), nodes) // session 0 is none
}

// clientNodes are the nodes that take clients, the leader first.
func (l *lab) clientNodes() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []int
	leader := l.leader()
	config := l.configuration()
	for _, m := range l.members {
		if m.status.State != StateUp || !m.up || !config.Has(m.id) {
			continue // one that is no member knows no leader, or an old one
		}
		out = append(out, m.id)
		if last := len(out) - 1; m.id == leader {
			out[0], out[last] = out[last], out[0]
		}
	}
	return out
}

// kv carries out a client's operation, and keeps it among the events.
func (l *lab) kv(ctx context.Context, op *KVOp) (*KVResult, error) {
	r, err := l.operate(ctx, op)
	e := Event{Kind: EventClient, Line: op.Line}
	switch {
	case err != nil:
		e.Text = toError(op.Op, err).Message
	case op.Op == "get" && !r.Found:
		e.Node, e.Text = r.Node, fmt.Sprintf("get %s%s: not there", quote(op.Key), howRead(op))
	case op.Op == "get":
		e.Node, e.Text = r.Node, fmt.Sprintf("get %s%s: %s", quote(op.Key), howRead(op), quote(r.Value))
	default:
		e.Node, e.Term, e.Index = r.Leader, r.Term, r.Index
		e.Text = fmt.Sprintf("%s: applied at index %d after %s", opText(op), r.Index, explain.Length(raft.Duration(r.TookMS*1e6)))
	}
	l.mu.Lock()
	l.event(e)
	l.mu.Unlock()
	return r, err
}

// howRead says how a get was answered when it was not through the log.
func howRead(op *KVOp) string {
	switch {
	case op.Read == ReadIndex || op.Read == ReadLease || op.Read == ReadStale:
		return " (" + op.Read + " read)"
	case op.Read == "" && op.Node != "":
		return " (" + ReadStale + " read)"
	}
	return ""
}

func opText(op *KVOp) string {
	switch op.Op {
	case "put":
		return fmt.Sprintf("put %s=%s", printable(op.Key, 64), printable(op.Value, 64))
	case "cas":
		return fmt.Sprintf("cas %s %s -> %s", printable(op.Key, 64), printable(op.Old, 64), printable(op.Value, 64))
	}
	return op.Op + " " + printable(op.Key, 64)
}

// operate carries out a client's operation.
func (l *lab) operate(ctx context.Context, op *KVOp) (*KVResult, error) {
	req, err := request(op)
	if err != nil {
		return nil, err
	}
	timeout := op.Timeout
	if timeout == 0 {
		timeout = kvTimeout
	}
	if timeout < 0 || timeout > kvTimeoutMax {
		return nil, Errorf(ExitUsage, "the timeout is longer than 0 and at most %v, not %v", kvTimeoutMax, timeout).WithHint("raftlab %s --timeout 5s", op.Op)
	}
	ctx, cancel := l.within(ctx, timeout)
	defer cancel()
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	var from kvClient
	to := 0    // the node that is asked, 0 when whoever leads is
	asked := 0 // the node that is to answer, 0 when any may
	if req.Read == wire.ReadStale || op.Node != "" {
		m, err := l.asked(op)
		if err != nil {
			return nil, err
		}
		to = m.id
		l.mu.Lock()
		// Whether its lease holds is its own to say, also when another leads by now.
		leads, c := m.status.Role == RoleLeader, m.proc
		l.mu.Unlock()
		if c != nil {
			watched := make(chan struct{})
			l.spawn(func() {
				defer close(watched)
				if l.await(ctx, wake{on: channels{c.gone}}) == nil {
					leave(errNodeEnded)
				}
			})
			defer l.attend(watched)
			defer leave(nil)
		}
		if req.Read == wire.ReadLease && !leads {
			return nil, notLeasing(op, m.id)
		}
		if op.Op == "get" {
			asked = m.id
		}
		// Asked of one node, a write shows what that node makes of it: one that
		// follows sends the client on, one that only believes to lead lets it wait.
		from = l.newClient(l.clients.Add(1), func() []int { return []int{m.id} })
		defer from.Close()
	} else {
		r := l.gateway.take()
		defer l.gateway.giveBack(r)
		from = r.client
	}
	start := l.now()
	reply, err := l.history.do(ctx, "client", from, req)
	if err != nil && context.Cause(ctx) == errNodeEnded {
		return nil, l.endedMeanwhile(op, to, err)
	}
	if err != nil {
		return nil, l.unanswered(op, timeout, err)
	}
	if err := refused(op, &reply); err != nil {
		return nil, err
	}
	if asked != 0 && int(reply.Node) != asked && req.Read != wire.ReadStale {
		// It sent the client on to a leader; what that says is not what was asked for.
		if req.Read == wire.ReadLease {
			return nil, notLeasing(op, asked)
		}
		return nil, Errorf(ExitConflict, "get %s: S%d could not get an index from its leader", printable(op.Key, 64), asked).
			WithHint("raftlab get %s --read index asks the leader; --node %d --read stale what S%d has applied", printable(op.Key, 64), asked, asked)
	}
	r := &KVResult{
		Key: op.Key, Value: string(reply.Value), Found: reply.Found, Index: uint64(reply.Index), Term: uint64(reply.Term),
		Node: int(reply.Node), TookMS: float64(l.now().Sub(start).Microseconds()) / 1000,
	}
	if req.Read == wire.ReadLog || req.Read == wire.ReadLease {
		r.Leader = int(reply.Node) // nobody else answers these
	}
	if op.Op == "put" || op.Op == "cas" {
		r.Value = op.Value
	}
	return r, nil
}

// request makes what a node is asked of what a user asked.
func request(op *KVOp) (wire.Request, error) {
	req := wire.Request{Key: []byte(op.Key), Value: []byte(op.Value), Old: []byte(op.Old)}
	switch op.Op {
	case "put":
		req.Op = wire.OpPut
	case "get":
		req.Op = wire.OpGet
	case "del":
		req.Op = wire.OpDel
	case "cas":
		req.Op = wire.OpCAS
	case "incr":
		req.Op = wire.OpIncr
	default:
		return req, Errorf(ExitUsage, "there is no client operation %s", quote(op.Op)).WithHint("operations: put get del cas incr")
	}
	if op.Key == "" {
		return req, Errorf(ExitUsage, "%s: the key is empty", op.Op).WithHint("raftlab %s KEY", op.Op)
	}
	if op.Op != "get" && op.Read != "" {
		return req, Errorf(ExitUsage, "%s goes through the log: only a get is read in other ways", op.Op).WithHint("raftlab get KEY --read stale")
	}
	switch {
	case op.Op != "get":
	case op.Read == ReadStale, op.Read == "" && op.Node != "":
		req.Read = wire.ReadStale
	case op.Read == ReadIndex:
		req.Read = wire.ReadIndex
	case op.Read == ReadLease:
		req.Read = wire.ReadLease
	case op.Read == "" || op.Read == ReadLog:
		if op.Node != "" {
			return req, Errorf(ExitUsage, "a read through the log is answered by the leader, whichever node is named").
				WithHint("raftlab get KEY --node %s --read index", printable(op.Node, 16))
		}
	default:
		return req, Errorf(ExitUsage, "there is no way to read called %s", quote(op.Read)).WithHint("--read is log, index, lease or stale")
	}
	return req, nil
}

// notLeasing refuses a lease read of a node that does not lead.
func notLeasing(op *KVOp, id int) *Error {
	key := printable(op.Key, 64)
	return Errorf(ExitConflict, "get %s: S%d does not lead, and only a leader has a lease to read on (thesis §6.4.1)", key, id).
		WithHint("raftlab get %s --read lease asks the leader; raftlab get %s --node %d --read index reads here", key, key, id)
}

// asked is the node a stale read, or a write that names one, goes to: the one named, or else the leader,
// or any that runs.
func (l *lab) asked(op *KVOp) (*member, error) {
	word := op.Node
	if word == "" {
		word = WordRandom
		l.mu.Lock()
		if l.leader() != 0 {
			word = WordLeader
		}
		l.mu.Unlock()
	}
	m, state, err := l.one(word)
	if err != nil {
		return nil, err
	}
	switch state {
	case StateDead:
		return nil, Errorf(ExitConflict, "%s %s: S%d is dead", op.Op, printable(op.Key, 64), m.id).WithHint("raftlab restart %d", m.id)
	case StatePaused:
		return nil, Errorf(ExitConflict, "%s %s: S%d is paused", op.Op, printable(op.Key, 64), m.id).WithHint("raftlab resume %d", m.id)
	}
	return m, nil
}

// refused is a reply that says no.
func refused(op *KVOp, reply *wire.Reply) error {
	head := op.Op + " " + printable(op.Key, 64)
	switch reply.Code {
	case wire.CodeOK:
		return nil
	case wire.CodeFailed:
		if op.Op == "cas" {
			return Errorf(ExitConflict, "%s: %s", head, printable(reply.Error, 512)).WithHint("raftlab get %s", printable(op.Key, 64))
		}
		return Errorf(ExitFailed, "%s: %s", head, printable(reply.Error, 512)).WithHint("raftlab get %s", printable(op.Key, 64))
	case wire.CodeBad:
		return Errorf(ExitUsage, "%s: %s", head, printable(reply.Error, 512))
	}
	return Errorf(ExitFailed, "%s: S%d answered with code %d: %s", head, reply.Node, reply.Code, printable(reply.Error, 512))
}

// unanswered says why an operation got no answer: in one sentence what, then
// what the lab looks like, and what would help.
func (l *lab) unanswered(op *KVOp, timeout time.Duration, err error) error {
	head := fmt.Sprintf("%s %s: ", op.Op, printable(op.Key, 64))
	if l.ctx.Err() != nil {
		return errStopping
	}
	var unknown *client.UnknownError
	var undone *client.UndoneError
	var wrong *client.RefusedError
	switch {
	case errors.As(err, &wrong):
		e := Errorf(ExitUsage, "%s", printable(wrong.Reason, 512))
		if op.Read == ReadLease {
			return e.WithHint("raftlab get %s --read index", printable(op.Key, 64))
		}
		return e
	case errors.As(err, &unknown), errors.As(err, &undone):
	default:
		return Errorf(ExitFailed, "%s%v", head, err).WithHint("raftlab status")
	}
	s := l.status()
	why := explain.Headline(s.View())
	text := head + fmt.Sprintf("no answer for %v. ", timeout) + strings.Join(why[:min(len(why), 2)], " ")
	if unknown != nil {
		text += " The write may still be applied."
	}
	e := Errorf(ExitTimeout, "%s", text)
	faulty := len(s.Partition) > 0
	for _, k := range s.Links {
		faulty = faulty || k.Cut
	}
	switch repair := revive(s); {
	case s.Clock.Held:
		return e.WithHint("the lab clock is held: raftlab release")
	case repair != "":
		return e.WithHint("see why: raftlab status   repair: %s", repair)
	case faulty:
		return e.WithHint("see why: raftlab status   repair: raftlab heal")
	}
	return e.WithHint("see why: raftlab status")
}

// errNodeEnded ends the wait for one node's answer: its process is gone, and the
// next one is at another address.
var errNodeEnded = errors.New("the node has ended")

// endedMeanwhile says that the one node that was asked ended before it answered.
func (l *lab) endedMeanwhile(op *KVOp, id int, err error) error {
	l.mu.Lock()
	m := l.member(id)
	l.mu.Unlock()
	what := "ended"
	if m == nil || m.leaves {
		what = "was removed"
	}
	key := printable(op.Key, 64)
	text := fmt.Sprintf("%s %s: S%d %s before it answered.", op.Op, key, id, what)
	if errors.As(err, new(*client.UnknownError)) {
		text += " The write may still be applied."
	}
	if op.Op == "get" {
		return Errorf(ExitConflict, "%s", strings.TrimSuffix(text, ".")).WithHint("raftlab get %s asks the leader", key)
	}
	return Errorf(ExitConflict, "%s", text).WithHint("raftlab status")
}

// revive is the command line that brings back as many nodes as a quorum lacks,
// "" when it lacks none.
func revive(s *Status) string {
	var dead, paused []int
	for i := range s.Nodes {
		switch n := &s.Nodes[i]; n.State {
		case StateDead:
			dead = append(dead, n.ID)
		case StatePaused:
			paused = append(paused, n.ID)
		}
	}
	enough := func(back []int) bool {
		return s.decides(func(id int) bool {
			n := s.node(id)
			return n != nil && (n.State == StateUp || slices.Contains(back, id))
		})
	}
	if enough(nil) {
		return ""
	}
	for _, c := range []struct {
		verb string
		ids  []int
	}{{"resume", paused}, {"restart", dead}} {
		var back []int
		for _, id := range c.ids {
			if s.votes(id) {
				back = append(back, id)
			}
			if enough(back) {
				return "raftlab " + c.verb + " " + numbers(back)
			}
		}
	}
	return "raftlab restart " + numbers(append(dead, paused...))
}

// votes reports whether a node's vote counts.
func (s *Status) votes(id int) bool { return len(s.Config.Voters) == 0 || s.Config.Voter(id) }
