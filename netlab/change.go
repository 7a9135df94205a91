package netlab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/explain"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// change is a change of the configuration on its way.
type change struct {
	lab      *lab
	op       *Op
	wish     *wish
	outside  bool // no configuration changes, only nodes that are in none end
	deadline raft.Time
	started  []*member // processes that were started for it
	notes    []string
	event    uint64

	asked   int       // the leader that took it on, 0 while none has
	term    raft.Term // its
	dropped int       // how many changes that leader had given up by then
	unsure  bool      // one was asked and has not said whether it took it on
	refusal string    // why the last one that was asked did not
	again   time.Time // not before that is one asked again
}

// changeMembers carries an operation out that wishes another configuration.
func (l *lab) changeMembers(ctx context.Context, op *Op, want func(now ConfigStatus) (*wish, error)) (*OpResult, error) {
	if op.Timeout < 0 || op.Timeout > changeTimeoutMax {
		return nil, Errorf(ExitUsage, "the timeout is longer than 0 and at most %v, not %v", changeTimeoutMax, op.Timeout).WithHint("raftlab %s 6 --timeout 30s", op.Verb)
	}
	if before := l.changing.Load(); !l.changing.CompareAndSwap(nil, op) {
		what := op.Verb
		if before != nil {
			what = opLine(before)
		}
		return nil, Errorf(ExitConflict, "another change of the configuration is waited for (%s): one at a time (§6)", what).
			WithHint("raftlab members shows how it goes")
	}
	defer l.changing.CompareAndSwap(op, nil)
	timeout := op.Timeout
	if timeout == 0 {
		timeout = changeTimeout
	}
	c := &change{lab: l, op: op, deadline: l.clock.Now() + raft.Time(timeout)}
	res, err := c.run(ctx, want)
	if res != nil {
		res.Notes = append(c.notes, res.Notes...)
		if res.Event == 0 {
			res.Event = c.event
		}
	}
	return res, err
}

// opLine is how an operation was asked for.
func opLine(op *Op) string {
	if op.Line != "" {
		return printable(op.Line, 128)
	}
	return printable(op.Verb+" "+strings.Join(op.Nodes, " "), 128)
}

func (c *change) run(ctx context.Context, want func(now ConfigStatus) (*wish, error)) (*OpResult, error) {
	idle, err := c.plan(ctx, want)
	if err != nil || idle != nil {
		return idle, err
	}
	if err := c.prepare(ctx); err != nil {
		return nil, c.undo(err)
	}
	if err := c.begin(ctx); err != nil {
		return nil, c.undo(err)
	}
	if c.op.NoWait {
		if l := c.lab; l.clock.Held() {
			c.notes = append(c.notes, `the lab clock is held: it goes on with "raftlab release"`)
		}
		return &OpResult{Text: "begun: " + c.wish.did + " when the change is through", Nodes: c.wish.about}, nil
	}
	in, err := c.follow(ctx, nil)
	if err != nil {
		return nil, err
	}
	if err := c.farewell(ctx); err != nil {
		return nil, err
	}
	return &OpResult{Text: fmt.Sprintf("%s: the members are %s (entry %d)", c.wish.did, in.String(), in.Index), Nodes: c.wish.about}, nil
}

// plan finds out what is wished, and whether it can be. Nothing has changed
// when it fails.
func (c *change) plan(ctx context.Context, want func(now ConfigStatus) (*wish, error)) (idle *OpResult, err error) {
	l := c.lab
	// What makes no sense is refused before anybody waits for a leader.
	wish := func() (err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		now := l.configuration()
		if err := l.underWay(&now); err != nil {
			return err
		}
		c.wish, err = want(now)
		if err == nil {
			c.outside = sameMembers(&now, &c.wish.next)
			err = c.possible(&now)
		}
		return err
	}
	if err := wish(); err != nil {
		return nil, err
	}
	if !c.outside {
		if err := c.awaitLeader(ctx); err != nil {
			return nil, err
		}
		if err := wish(); err != nil {
			return nil, err
		}
	}
	if c.wish.none != "" {
		return &OpResult{Text: c.wish.none}, nil
	}
	c.warn()
	return nil, nil
}

// underWay refuses a change while there is another. With mu held.
func (l *lab) underWay(now *ConfigStatus) error {
	switch {
	case now.Joint():
		return Errorf(ExitConflict, "a change of the configuration is under way, it is joint (%s): one at a time (§6)", now.String()).
			WithHint(`"raftlab wait 'not config.joint'" waits for its end`)
	case now.Target != nil:
		fresh := without(now.Target.Voters, now.Voters)
		return Errorf(ExitConflict, "a change of the configuration is under way, %s %s brought up to date before the voters are %s: one at a time (§6)", names(fresh), is(fresh), names(now.Target.Voters)).
			WithHint("raftlab members shows how it goes")
	}
	return nil
}

// possible says why the change cannot be begun. With mu held.
func (c *change) possible(now *ConfigStatus) error {
	l, next := c.lab, &c.wish.next
	if c.outside {
		return nil
	}
	if l.clock.Held() && !c.op.NoWait {
		return heldChange("").WithHint("raftlab release")
	}
	for _, id := range sorted(next.Voters, next.Learners) {
		m := l.member(id)
		if m == nil || slices.Contains(now.Voters, id) || slices.Contains(now.Learners, id) && slices.Contains(next.Learners, id) {
			continue
		}
		switch m.status.State {
		case StateDead:
			return Errorf(ExitConflict, "S%d is dead, and a node that does not run cannot be brought up to date", id).WithHint("raftlab restart %d", id)
		case StatePaused:
			return Errorf(ExitConflict, "S%d is paused, and a node that does not run cannot be brought up to date", id).WithHint("raftlab resume %d", id)
		}
	}
	return nil
}

func heldChange(state string) *Error {
	return Errorf(ExitConflict, "the lab clock is held, so a change of the configuration cannot get on%s", state)
}

// warn says before the change begins that it leaves too few nodes that run.
func (c *change) warn() {
	l, next := c.lab, &c.wish.next
	l.mu.Lock()
	defer l.mu.Unlock()
	runs := func(id int) bool { return l.member(id) == nil || l.up(id) } // one to come will run
	if c.outside || next.Decides(runs) {
		return
	}
	t := next.tallies(runs)[0]
	run, are := "run", "are"
	if t.have == 1 {
		run = "runs"
	}
	if t.need() == 1 {
		are = "is"
	}
	text := fmt.Sprintf("of the voters to come, %s, only %d %s and %d %s needed: the joint configuration waits for their majority, too (§6), so nothing can commit until more of them do",
		names(next.Voters), t.have, run, t.need(), are)
	c.notes = append(c.notes, text)
	l.event(Event{Kind: EventConfig, Text: "a change without a majority begins: " + text, Line: c.op.Line})
}

// awaitLeader waits until the configuration that counts has a leader; it fails
// at once when it can have none.
func (c *change) awaitLeader(ctx context.Context) error {
	l := c.lab
	for {
		l.mu.Lock()
		changed, clock := l.changed(), l.clock.Changed()
		leader, now, held := l.leader(), l.configuration(), l.clock.Held()
		decides := now.Decides(l.up)
		have, need := talliesText(now.tallies(l.up), l.noun(&now))
		l.mu.Unlock()
		switch {
		case !decides:
			e := Errorf(ExitConflict, "the configuration cannot be changed: %s run and %s are needed to decide that, as everything (§6)", have, need)
			if repair := revive(l.status()); repair != "" {
				return e.WithHint("%s", repair)
			}
			return e
		case leader != 0:
			return nil
		case held:
			return heldChange(": there is no leader to ask").WithHint("raftlab release")
		case l.clock.Now() >= c.deadline:
			return Errorf(ExitTimeout, "no change was begun: there has been no leader to ask. %s", l.why()).WithHint("raftlab status")
		}
		if err := c.pause(ctx, 0, changed, clock, nil); err != nil {
			return err
		}
	}
}

// pause waits for something to change or to be gone, for the deadline, and no
// longer than again unless that is 0.
func (c *change) pause(ctx context.Context, again time.Duration, changed, clock, gone <-chan struct{}) error {
	l := c.lab
	err := l.await(ctx, wake{on: channels{changed, clock, gone}, at: c.deadline, after: again})
	switch {
	case err == nil:
		return nil
	case l.ctx.Err() != nil:
		return errStopping
	}
	return Errorf(ExitTimeout, "%s: nobody waits for it any more: %v", c.op.Verb, err).WithHint("raftlab members shows how it goes")
}

// prepare starts the nodes that are to come, and marks those that are to go.
func (c *change) prepare(ctx context.Context) error {
	l := c.lab
	l.acting.Lock()
	defer l.acting.Unlock()
	if l.ctx.Err() != nil {
		return errStopping
	}
	var stay []*member
	var back []int
	for _, id := range sorted(c.wish.next.Voters, c.wish.next.Learners) {
		l.mu.Lock()
		m := l.member(id)
		l.mu.Unlock()
		if m != nil {
			stay = append(stay, m)
			continue
		}
		if stored, err := l.engine.hasData(id); err == nil && stored {
			back = append(back, id)
		}
		m, err := l.enlist(id)
		if err != nil {
			return toError(c.op.Verb, err)
		}
		c.started = append(c.started, m)
		if err := l.startMember(m); err != nil {
			return err
		}
	}
	for _, m := range c.started {
		if err := l.awaitJoin(ctx, m); err != nil {
			return err
		}
	}
	if len(back) > 0 {
		goes := "goes"
		if len(back) > 1 {
			goes = "go"
		}
		c.notes = append(c.notes, fmt.Sprintf("%s %s on with the log and the vote from before: under an old number a server without them could vote a second time (§5.2)", names(back), goes))
	}
	if len(c.started) > 0 {
		l.noteSides(c)
	}
	l.mu.Lock()
	l.changedOnce = true
	l.mu.Unlock()
	if err := l.let(false, stay); err != nil {
		return toError(c.op.Verb, err)
	}
	return nil
}

// noteSides says where new nodes stand in a partition.
func (l *lab) noteSides(c *change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults.sides) == 0 {
		return
	}
	ids := memberIDs(c.started)
	stand := "stand"
	if len(ids) == 1 {
		stand = "stands"
	}
	c.notes = append(c.notes, fmt.Sprintf("%s %s on neither side of the partition %s and can talk to all", names(ids), stand, sidesText(sideInts(l.faults.sides))))
}

// begin has a leader take the change on.
func (c *change) begin(ctx context.Context) error {
	l := c.lab
	text := "asked to change the configuration to " + c.wish.next.String()
	if c.outside {
		text = "asked to end nodes that are no members: " + names(memberIDs(c.wish.leave))
	}
	l.mu.Lock()
	c.event = l.event(Event{Kind: EventConfig, Text: text, Line: c.op.Line})
	l.mu.Unlock()
	if !c.outside {
		if _, err := c.follow(ctx, func() bool { return c.asked != 0 }); err != nil {
			return err
		}
	}
	l.acting.Lock()
	defer l.acting.Unlock()
	if err := l.let(true, c.wish.leave); err != nil {
		return toError(c.op.Verb, err)
	}
	return nil
}

func memberIDs(members []*member) []int {
	ids := make([]int, len(members))
	for i, m := range members {
		ids[i] = m.id
	}
	slices.Sort(ids)
	return ids
}

// follow asks leaders for the change until the configuration in force is the
// one wished for, which it returns, or until enough says that it may stop.
//
// A leader that is lost before C_old,new is committed may take the change with
// it, or its successor may have it in its log and carry it out. Which it was is
// seen when the successor has committed an entry of its own: if nothing of the
// change is in its configuration then, it is asked anew.
func (c *change) follow(ctx context.Context, enough func() bool) (*ConfigStatus, error) {
	l := c.lab
	for {
		l.mu.Lock()
		changed, clock := l.changed(), l.clock.Changed()
		now, settled := l.inForce()
		leader := l.member(l.leader())
		// A picture of who is asked: mu is let go before anybody is.
		var led NodeStatus
		var given counted
		if leader != nil {
			led, given = leader.status, leader.dropped
		}
		l.mu.Unlock()
		switch {
		case settled && sameMembers(&now, &c.wish.next):
			return &now, nil
		case enough != nil && enough():
			return nil, nil
		case l.clock.Held() && !(c.op.NoWait && c.asked == 0 && leader != nil && c.refusal == ""):
			return nil, heldChange(": " + c.state(&now)).WithHint("raftlab release lets it go on")
		case l.clock.Now() >= c.deadline:
			return nil, c.late(&now)
		}
		again := time.Duration(0)
		switch {
		case leader == nil:
		case leader.id == c.asked && raft.Term(led.Term) == c.term:
			if given.n > c.dropped && given.last.Reason != raft.ReasonLeadershipLost {
				return nil, c.givenUp(&given.last)
			}
		case !now.Joint() && now.Target == nil && now.Committed && !l.now().Before(c.again):
			if err := c.ask(ctx, leader, &led, given.n); err != nil {
				return nil, err
			}
			continue
		default:
			again = askAgain // or when something changes
		}
		if err := c.pause(ctx, again, changed, clock, nil); err != nil {
			return nil, err
		}
	}
}

// ownCommit reports whether a leader has committed an entry of its own term.
func ownCommit(s *NodeStatus) bool {
	for _, r := range s.Log {
		if r.Term == s.Term {
			return s.Commit >= r.First
		}
	}
	// Its own entries are all folded into a snapshot, or it has none.
	return s.SnapshotTerm == s.Term
}

// ask orders the change. That the leader lost its leadership meanwhile is no
// error: another one is asked.
func (c *change) ask(ctx context.Context, leader *member, led *NodeStatus, dropped int) error {
	l := c.lab
	wait, err := l.order(leader, wire.Order{Verb: wire.OrderMembers, Members: c.wish.next.raft()})
	var out wire.Outcome
	if err == nil {
		out, err = wait(ctx)
		c.unsure = c.unsure || err != nil
	}
	if err != nil {
		if ctx.Err() != nil || l.ctx.Err() != nil {
			return err
		}
		out.Error = err.Error() // it died: somebody else will lead
	}
	if out.Error == "" {
		c.asked, c.term, c.dropped = leader.id, raft.Term(led.Term), dropped
		return nil
	}
	c.refusal = printable(out.Error, 512)
	c.again = l.now().Add(askAgain)
	l.mu.Lock()
	still := l.leader() == leader.id && leader.status.Term == led.Term && err == nil
	l.mu.Unlock()
	// Before it has committed an entry of its own term it takes no change on, and
	// it soon will have.
	if still && c.asked == 0 && ownCommit(led) {
		return Errorf(ExitConflict, "S%d refuses: %s", leader.id, c.refusal).WithHint("raftlab status shows the configuration")
	}
	return nil
}

// givenUp is the error of a change that its leader gave up.
func (c *change) givenUp(why *raft.Event) error {
	slow := ints(why.Nodes)
	if len(slow) == 0 {
		slow = without(c.wish.next.Voters, c.lab.voters())
	}
	verb := "it is a learner"
	if len(slow) > 1 {
		verb = "they are learners"
	}
	return Errorf(ExitFailed, "S%d gives up the change: %s did not catch up in time, and a vote that lags would hold all others up (thesis §4.2.1). Now %s",
		c.asked, names(slow), verb).
		WithHint("see why: raftlab status   again: raftlab add %s   or not: raftlab remove %s", numbers(slow), numbers(slow))
}

func (l *lab) voters() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.configuration().Voters
}

// late is the error of a change that is not through in time.
func (c *change) late(now *ConfigStatus) error {
	timeout := c.op.Timeout
	if timeout == 0 {
		timeout = changeTimeout
	}
	return Errorf(ExitTimeout, "not through after %v of lab time: %s. %s", timeout, c.state(now), c.lab.why()).
		WithHint("raftlab members shows how it goes on")
}

// is is the verb for so many nodes.
func is(ids []int) string {
	if len(ids) == 1 {
		return "is"
	}
	return "are"
}

// state says how far the change is.
func (c *change) state(now *ConfigStatus) string {
	switch {
	case now.Joint() && now.Committed:
		return fmt.Sprintf("C_old,new (entry %d) is committed, C_new is not in the log yet, and it goes on by itself", now.Index)
	case now.Joint():
		return fmt.Sprintf("C_old,new (entry %d) counts but is not committed, for which both majorities are needed; it goes on by itself", now.Index)
	case now.Target != nil:
		fresh := without(now.Target.Voters, now.Voters)
		return fmt.Sprintf("%s %s being brought up to date, and it goes on by itself while the leader stays the same", names(fresh), is(fresh))
	case !now.Committed && sameMembers(now, &c.wish.next):
		return fmt.Sprintf("C_new (entry %d) counts but is not committed; it goes on by itself", now.Index)
	case !now.Committed:
		return fmt.Sprintf("the configuration %s (entry %d) comes first, and is not committed", now.String(), now.Index)
	case c.refusal != "":
		return fmt.Sprintf("the members are %s, and it has to be asked for again (the leader said: %s)", now.String(), c.refusal)
	}
	return fmt.Sprintf("the members are %s, and it has to be asked for again", now.String())
}

// why is what the lab looks like, in a sentence or two.
func (l *lab) why() string {
	lines := explain.Headline(l.status().View())
	return strings.Join(lines[:min(len(lines), 2)], " ")
}

// undo ends what was started for a change that did not begin, and returns why
// it did not. One that may be in a log cannot be undone: its nodes stay.
func (c *change) undo(why error) error {
	l := c.lab
	l.acting.Lock()
	defer l.acting.Unlock()
	if l.ctx.Err() != nil || c.asked != 0 || c.unsure {
		return why
	}
	for _, m := range c.started {
		if err := l.dismiss(m); err != nil {
			l.log.Error("node not removed", "node", m.id, "error", err)
		}
	}
	return why
}

// farewell waits until the processes of those who left have ended.
func (c *change) farewell(ctx context.Context) error {
	l := c.lab
	for _, m := range c.wish.leave {
		for gone := false; !gone; {
			l.mu.Lock()
			changed, clock := l.changed(), l.clock.Changed()
			stays := !m.leaves
			l.mu.Unlock()
			select {
			case <-m.gone:
				gone = true
				continue
			default:
			}
			switch {
			case stays:
				return Errorf(ExitConflict, "S%d is out of the configuration, but was told to stay meanwhile", m.id).WithHint("raftlab status %d", m.id)
			case !l.clock.Held() && l.clock.Now() >= c.deadline:
				return Errorf(ExitTimeout, "%s, but the process of S%d has not ended", c.wish.did, m.id).WithHint("raftlab status %d", m.id)
			}
			if err := c.pause(ctx, 0, changed, clock, m.gone); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameMembers reports whether two configurations have the same voters and
// learners.
func sameMembers(a, b *ConfigStatus) bool {
	return slices.Equal(a.Voters, b.Voters) && slices.Equal(a.Learners, b.Learners)
}
