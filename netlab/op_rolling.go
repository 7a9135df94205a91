package netlab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/explain"
	"github.com/raftlab/raftlab/raft"
)

// Rolled is one step of a rolling restart. Its times are lab time.
type Rolled struct {
	Node       int   `json:"node"`
	HandedTo   int   `json:"handed_to,omitempty"` // who leads instead of it since
	TookNS     int64 `json:"took_ns"`             // until it was back and caught up
	DowntimeNS int64 `json:"downtime_ns"`         // how long the longest write took meanwhile
}

// String is "S3 back after 210 ms; the longest write took 2 ms".
func (r Rolled) String() string {
	s := fmt.Sprintf("S%d back after %s", r.Node, explain.Length(raft.Duration(r.TookNS)))
	if r.HandedTo != 0 {
		s = fmt.Sprintf("S%d handed over to S%d, back after %s", r.Node, r.HandedTo, explain.Length(raft.Duration(r.TookNS)))
	}
	return s + "; the longest write took " + explain.Length(raft.Duration(r.DowntimeNS))
}

// A rolling restart stops and starts one node after the other, the leader last.
// The next one goes when the one before is back: it has said so, a leader is
// there that it knows, and it has committed all that was committed when it came.
// So a lab that has its quorum keeps it. All the while a probe writes.
type rollout struct {
	*lab
	op      *Op
	timeout time.Duration // lab time that one step may take
	probe   *probe
	res     *OpResult
	done    []int
}

// roll restarts nodes one after the other.
func (l *lab) roll(ctx context.Context, op *Op) (*OpResult, error) {
	switch {
	case op.Policy != "":
		return nil, Errorf(ExitUsage, "the restart policy goes with no node").WithHint("raftlab restart --policy %s", printable(op.Policy, 32))
	case op.Timeout < 0 || op.Timeout > changeTimeoutMax:
		return nil, Errorf(ExitUsage, "the timeout is longer than 0 and at most %v, not %v", changeTimeoutMax, op.Timeout).WithHint("raftlab restart --rolling all --timeout 30s")
	}
	if !l.rolling.TryLock() {
		return nil, Errorf(ExitConflict, "a rolling restart is under way already").WithHint("raftlab events -f shows how it goes")
	}
	defer l.rolling.Unlock()
	members, idle, err := l.pick(op, anyNode, "no node is a %s now", nil)
	if err != nil || idle != nil {
		return idle, err
	}
	if l.clock.Held() {
		return nil, Errorf(ExitConflict, "the lab clock is held, so no node would be back").WithHint("raftlab release")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	r := &rollout{lab: l, op: op, res: &OpResult{}, timeout: op.Timeout}
	if r.timeout == 0 {
		r.timeout = changeTimeout
	}
	// A rolling restart begins with a lab that works.
	if err := r.until(ctx, func() bool { return l.leader() != 0 }, func() error {
		return Errorf(ExitTimeout, "there is no leader after %v of lab time, and nothing was restarted. %s", r.timeout, l.why()).WithHint("raftlab status")
	}); err != nil {
		return nil, err
	}
	r.probe = l.startProbe(ctx)
	defer r.probe.end()
	left := slices.Clone(members)
	for len(left) > 0 {
		m := r.next(left)
		left = slices.DeleteFunc(left, func(o *member) bool { return o == m })
		if err := r.step(ctx, m); err != nil {
			return nil, r.because(err, left)
		}
		r.done = append(r.done, m.id)
	}
	res := r.res
	res.Nodes = r.done
	longest := int64(0)
	for _, s := range res.Rolled {
		longest = max(longest, s.DowntimeNS)
	}
	res.Text = fmt.Sprintf("%s restarted one after the other: the longest write took %s", names(r.done), explain.Length(raft.Duration(longest)))
	l.mu.Lock()
	defer l.mu.Unlock()
	res.Event = l.event(Event{Kind: EventProcess, Text: res.Text, Line: op.Line})
	return res, nil
}

// next is who goes next: the first that does not lead.
func (r *rollout) next(left []*member) *member {
	r.mu.Lock()
	defer r.mu.Unlock()
	leader := r.leader()
	for _, m := range left {
		if m.id != leader {
			return m
		}
	}
	return left[0]
}

// because adds to an error who is restarted by now and who is not.
func (r *rollout) because(err error, left []*member) error {
	e := *toError("restart", err)
	var ids []int
	for _, m := range left {
		ids = append(ids, m.id)
	}
	if len(r.done) > 0 {
		e.Message += fmt.Sprintf("; restarted before: %s", names(r.done))
	}
	if len(ids) > 0 {
		e.Message += fmt.Sprintf("; not restarted: %s", names(ids))
	}
	return &e
}

// step restarts one node, and returns when it is back.
func (r *rollout) step(ctx context.Context, m *member) error {
	l := r.lab
	r.probe.take()
	began := l.clock.Now()
	did := Rolled{Node: m.id}
	if err := r.spared(m); err != nil {
		return err
	}
	if heir := r.heir(m); heir != 0 {
		res, err := l.transfer(ctx, &Op{Verb: "transfer", Nodes: []string{fmt.Sprint(heir)}, Timeout: r.timeout, Line: r.op.Line})
		if err != nil {
			r.res.note(fmt.Sprintf("S%d could not hand over before its turn: %v", m.id, err))
		} else {
			did.HandedTo = res.Nodes[0]
		}
	}
	if err := r.again(ctx, m); err != nil {
		return err
	}
	if err := r.caughtUp(ctx, m); err != nil {
		return err
	}
	did.TookNS = int64(l.clock.Now() - began)
	// Whatever stood still is over when one more write is through.
	if err := r.probe.next(ctx); err != nil {
		return r.gaveUp(err)
	}
	did.DowntimeNS = int64(r.probe.take())
	r.res.Rolled = append(r.res.Rolled, did)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.event(Event{Kind: EventProcess, Node: m.id, Text: "rolling restart: " + strings.TrimPrefix(did.String(), fmt.Sprintf("S%d ", m.id)), Line: r.op.Line})
	return nil
}

// spared says why a node cannot be done without for a moment, nil when it can.
// Where even all the nodes are too few without it, that is how it is.
func (r *rollout) spared(m *member) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.configuration()
	without := func(has func(int) bool) func(int) bool {
		return func(id int) bool { return id != m.id && has(id) }
	}
	if !c.Voter(m.id) || c.Decides(without(r.up)) || !c.Decides(without(func(int) bool { return true })) {
		return nil
	}
	have, need := talliesText(c.tallies(without(r.up)), r.noun(&c))
	return Errorf(ExitConflict, "without S%d only %s run, %s are needed: it is not restarted while others are down", m.id, have, need).WithHint("raftlab restart dead; raftlab resume all")
}

// heir is who is to lead while m is away, 0 when nobody has to or can: a voter
// that runs and has the most of the log, rather one that has had its turn.
func (r *rollout) heir(m *member) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.configuration()
	if r.leader() != m.id || !r.config.Transfer {
		return 0
	}
	var best *member
	rank := func(o *member) []uint64 {
		return []uint64{uint64(count(slices.Contains(r.done, o.id))), o.status.LastIndex}
	}
	for _, o := range r.members {
		if o != m && o.status.State == StateUp && slices.Contains(c.Voters, o.id) && (best == nil || slices.Compare(rank(o), rank(best)) > 0) {
			best = o
		}
	}
	if best == nil {
		return 0
	}
	return best.id
}

// again stops a node, if it runs, and starts it.
func (r *rollout) again(ctx context.Context, m *member) error {
	l := r.lab
	l.acting.Lock()
	defer l.acting.Unlock()
	l.mu.Lock()
	gone := l.member(m.id) != m
	m.stayDead()
	l.mu.Unlock()
	switch {
	case l.ctx.Err() != nil:
		return errStopping
	case gone:
		return Errorf(ExitConflict, "S%d was removed meanwhile", m.id).WithHint("raftlab status")
	}
	pid, ran, err := l.stopMember(ctx, m, r.res)
	if err != nil {
		return err
	}
	text := "restarted " + l.withWhat(m)
	if ran {
		text = fmt.Sprintf("stopped%s and %s", signalText("SIGTERM", pid), text)
	}
	l.processEvent(m, r.op, text)
	if err := l.startMember(m); err != nil {
		return err
	}
	if err := l.awaitJoin(ctx, m); err != nil {
		return err
	}
	l.forgotNotes([]*member{m}, r.res)
	return nil
}

// caughtUp waits until a node that was started takes part again.
func (r *rollout) caughtUp(ctx context.Context, m *member) error {
	l := r.lab
	l.mu.Lock()
	target := l.change().Commit
	l.mu.Unlock()
	died := false
	err := r.until(ctx, func() bool {
		s, c := &m.status, l.configuration()
		died = s.State == StateDead
		return died || l.leader() != 0 && s.State == StateUp && (s.Commit >= target && s.Leader != 0 || !c.Has(m.id))
	}, func() error {
		l.mu.Lock()
		commit := m.status.Commit
		l.mu.Unlock()
		return Errorf(ExitTimeout, "S%d is not back after %v of lab time: it has committed up to %d of %d. %s", m.id, r.timeout, commit, target, l.why()).WithHint("raftlab status")
	})
	if err == nil && died {
		return l.diedAtOnce(m)
	}
	return err
}

// until waits for something, which it asks for with lab.mu held, and after the
// timeout says why that has not come.
func (r *rollout) until(ctx context.Context, so func() bool, late func() error) error {
	l := r.lab
	deadline := l.clock.Now() + raft.Time(r.timeout)
	for {
		l.mu.Lock()
		changed, clock, holds := l.changed(), l.clock.Changed(), so()
		l.mu.Unlock()
		switch {
		case holds:
			return nil
		case l.clock.Now() >= deadline:
			return late()
		}
		if err := l.await(ctx, wake{on: channels{changed, clock}, at: deadline}); err != nil {
			return r.gaveUp(err)
		}
	}
}

func (r *rollout) gaveUp(err error) error {
	if r.ctx.Err() != nil {
		return errStopping
	}
	return Errorf(ExitTimeout, "restart: nobody waits for it any more: %v", err).WithHint("raftlab status")
}
