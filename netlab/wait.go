package netlab

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/raftlab/raftlab/raft"
)

const (
	// condEvery is how often a condition is looked at when nothing it could
	// speak of is known to have changed: links count frames without a word.
	condEvery = 100 * time.Millisecond
	// condKV bounds one read of a key for a condition, in real time.
	condKV = time.Second
)

// wait waits for a condition as w asks. That it does not hold is an answer; an
// error is a condition that cannot be judged.
func (l *lab) wait(ctx context.Context, w *Wait) (*WaitResult, error) {
	if w.Within < 0 || w.For < 0 || w.Timeout < 0 || w.Within > 0 && w.For > 0 {
		return nil, Errorf(ExitUsage, "a condition comes true within a time, or holds for one: not both, and neither is negative")
	}
	if w.For > 0 && strings.TrimSpace(w.Cond) == "true" {
		return l.pass(ctx, l.clock.Now()+raft.Time(w.For))
	}
	c, err := cond.Compile(w.Cond)
	if err != nil {
		return nil, Errorf(ExitUsage, "%v", err).WithHint("%s", cond.Help)
	}
	until := l.now().Add(w.Timeout)
	onLab := w.Within > 0 || w.For > 0
	deadline := l.clock.Now() + raft.Time(w.Within+w.For)

	for {
		// Of a lab that was just held only what stays is judged.
		if err := l.atRest(ctx); err != nil {
			return nil, err
		}
		changed, clock := l.changes()
		env, unread := l.env(ctx, c)
		holds, err := c.Eval(env)
		if err != nil {
			if *unread == nil {
				return nil, Errorf(ExitUsage, "%v", err)
			}
			holds, err = false, *unread // a key that cannot be read now may be later
		}
		now := l.clock.Now()
		late := onLab && now >= deadline
		result := &WaitResult{Holds: holds, LabNS: int64(now)}
		if !holds {
			result.Seen = c.Seen(env)
			if err != nil {
				result.Seen = strings.TrimPrefix(result.Seen+"; "+err.Error(), "; ")
			}
		}
		switch {
		case w.For > 0 && (!holds || late):
			return result, nil
		case w.For == 0 && (holds || late):
			return result, nil
		case !onLab && w.Timeout == 0:
			return result, nil
		}
		if onLab && env.Held {
			return nil, errNoTimePasses()
		}
		next := wake{on: channels{changed, clock}, after: condEvery}
		if onLab {
			next.at = deadline
		}
		if w.Cond == "true" && onLab { // nobody looks, somebody sleeps
			next.on[0], next.after = nil, 0
		}
		if c.UsesKV() {
			next.on[0] = nil // a read is an operation: at most one every condEvery
		}
		if w.Timeout > 0 {
			next.after = min(next.after, max(until.Sub(l.now()), 1))
		}
		switch err := l.await(ctx, next); {
		case l.ctx.Err() != nil:
			return nil, errStopping
		case err != nil:
			return nil, Errorf(ExitTimeout, "wait %s: %v", w.Cond, err)
		case w.Timeout > 0 && !l.now().Before(until):
			w = &Wait{Cond: w.Cond} // once more, as it is now
			onLab = false
		}
	}
}

func errNoTimePasses() *Error {
	return Errorf(ExitConflict, "the lab clock is held: no lab time passes, so nothing comes true within a time or holds for one").
		WithHint("raftlab release")
}

// pass lets lab time pass, whatever the lab does meanwhile: that is not looked at.
func (l *lab) pass(ctx context.Context, until raft.Time) (*WaitResult, error) {
	for {
		clock := l.clock.Changed()
		switch now := l.clock.Now(); {
		case now >= until:
			return &WaitResult{Holds: true, LabNS: int64(now)}, nil
		case l.clock.Held():
			return nil, errNoTimePasses()
		}
		switch err := l.await(ctx, wake{on: channels{clock}, at: until}); {
		case l.ctx.Err() != nil:
			return nil, errStopping
		case err != nil:
			return nil, Errorf(ExitTimeout, "wait for time to pass: %v", err)
		}
	}
}

// changes returns channels that are closed when something, and when the clock, changes.
func (l *lab) changes() (status, clock <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed(), l.clock.Changed()
}

// env is this moment of the lab, for a condition. unread is where the reason is
// found when a key the condition asks for could not be read.
func (l *lab) env(ctx context.Context, c *cond.Cond) (env *cond.Env, unread *error) {
	unread = new(error)
	env = environmentFor(l.status(), strings.Contains(c.String(), "terms"))
	if c.UsesKV() {
		env.KV = func(key string) (string, error) {
			r, err := l.operate(ctx, &KVOp{Op: "get", Key: key, Timeout: condKV})
			if err != nil {
				*unread = err
				return "", err
			}
			return r.Value, nil
		}
	}
	return env, unread
}

// environment is a status as conditions see it. It cannot read keys.
func environment(s *Status) *cond.Env { return environmentFor(s, true) }

// environmentFor leaves the terms of logs out for who does not ask for them: to
// spell them takes as long as all else.
func environmentFor(s *Status, terms bool) *cond.Env {
	spell := termsText
	if !terms {
		spell = func([]TermRun) string { return "" }
	}
	env := &cond.Env{
		Leader: s.Leader, Term: int(s.Term), Commit: int(s.Commit), Quorum: s.Quorum,
		Held: s.Clock.Held, Rate: s.Clock.Rate, LabNS: int(s.Clock.LabNS), Partition: s.Partition,
	}
	env.Config = cond.Config{
		Index: int(s.Config.Index), Committed: s.Config.Committed, Joint: s.Config.Joint(),
		Voters: s.Config.Voters, VotersOld: s.Config.VotersOld, Learners: s.Config.Learners,
		Quorum: majority(len(s.Config.Voters)),
	}
	if s.Config.Joint() {
		env.Config.QuorumOld = majority(len(s.Config.VotersOld))
	}
	flow := make(map[int]string)
	if l := s.node(s.Leader); l != nil {
		for _, p := range l.Peers {
			flow[p.ID] = p.Flow
		}
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		env.Nodes = append(env.Nodes, cond.Node{
			ID: n.ID, State: n.State, Role: n.Role, Term: int(n.Term), Vote: n.Vote, Leader: n.Leader,
			LastIndex: int(n.LastIndex), LastTerm: int(n.LastTerm), Commit: int(n.Commit), Applied: int(n.Applied),
			Pending: n.Pending, Starts: n.Starts, Terms: spell(n.Log),
			Member: s.Config.Has(n.ID), ConfigIndex: int(n.ConfigIndex), FirstIndex: int(n.FirstIndex), SnapshotIndex: int(n.SnapshotIndex),
			TransferTo: n.TransferTo, Flow: flow[n.ID],
			Durable: int(n.Durable), Disk: diskMode(n), Exit: n.Exit, Forgot: n.Forgot, ClockRate: n.ClockRate, SkewNS: int(n.SkewNS),
		})
	}
	for _, k := range s.Links {
		env.Links = append(env.Links, cond.Link{
			From: k.From, To: k.To, Cut: k.Cut, Wall: k.Wall, DelayMS: k.DelayMS, JitterMS: k.JitterMS, Loss: k.Loss,
			Duplicate: k.Duplicate, Reorder: k.Reorder, Corrupt: k.Corrupt, RateBytes: int(k.RateBytes),
			Held: k.Held, OnHold: k.OnHold, Set: k.Set,
			Sent: int(k.Sent), Delivered: int(k.Delivered), Dropped: int(k.Dropped), Copies: int(k.Copies),
		})
	}
	for _, f := range s.Faults {
		env.Faults = append(env.Faults, cond.Fault{
			ID: f.ID, Verb: f.Verb, Text: f.Text, Links: f.Links, UntilNS: int(f.UntilNS), Seen: int(f.Seen), Hits: int(f.Hits),
		})
	}
	if b := s.Clock.Break; b != nil {
		env.Broke = b.Cond
	}
	for _, b := range s.Breaks {
		env.Breaks = append(env.Breaks, cond.Break{ID: int(b.ID), Cond: b.Cond, Holds: b.Holds, Hits: int(b.Hits)})
	}
	for _, v := range s.Violations {
		env.Violations = append(env.Violations, cond.Violation{Property: v.Property, Term: int(v.Term), Index: int(v.Index), Text: v.Name + ": " + v.Text})
	}
	return env
}

// termsMax bounds the terms spelled out of one log: of a longer one, the last.
const termsMax = 10_000

// termsText spells a log's terms, a digit an entry, or with dots between them
// when one has two digits: "1114455666", "9.9.10".
func termsText(log []TermRun) string {
	dots, total := false, uint64(0)
	for _, r := range log {
		dots = dots || r.Term > 9
		total += r.Count
	}
	var b strings.Builder
	skip := uint64(0)
	if total > termsMax {
		skip = total - termsMax
	}
	for _, r := range log {
		t := strconv.FormatUint(r.Term, 10)
		cut := min(skip, r.Count)
		skip -= cut
		for range r.Count - cut {
			if dots && b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(t)
		}
	}
	return b.String()
}
