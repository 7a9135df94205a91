package netlab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The operations that change who is a member (§6): add, remove, members.
//
// The lab starts the processes that are to join, asks the leader for the change,
// and follows it whoever leads meanwhile, until the configuration in force says
// that it is done. The processes of those who leave end after that. While a
// change is waited for, nodes can be killed, restarted, cut off: nothing else of
// the lab waits with it.

const (
	// changeTimeout is how long a change is waited for, in lab time, unless
	// somebody says otherwise, and changeTimeoutMax the longest.
	changeTimeout    = 30 * time.Second
	changeTimeoutMax = 24 * time.Hour
	// askAgain is how long, in real time, a leader that refused is left alone.
	askAgain = 50 * time.Millisecond
)

// wish is what an operation wants of the configuration that counts now: the
// one to come, and the words for it. Whoever is in next joins, if need be as a
// new node of the lab; members of the lab in leave end.
type wish struct {
	next  ConfigStatus
	leave []*member
	about []int  // the nodes the operation named
	did   string // "S6 S7 added"
	none  string // nothing is to be changed: why
}

// add makes nodes members, new ones and those that are learners.
func (l *lab) add(ctx context.Context, op *Op) (*OpResult, error) {
	return l.changeMembers(ctx, op, func(now ConfigStatus) (*wish, error) {
		ids, err := l.newcomers(op)
		if err != nil {
			return nil, err
		}
		w := &wish{next: now, about: ids}
		var added, promoted []int
		for _, id := range ids {
			switch {
			case slices.Contains(now.Voters, id):
				return nil, Errorf(ExitConflict, "S%d is a voter already", id).WithHint("raftlab status shows the configuration; raftlab remove %d takes it out", id)
			case op.Learner && slices.Contains(now.Learners, id):
				return nil, Errorf(ExitConflict, "S%d is a learner already", id).WithHint("raftlab add %d gives it a vote", id)
			case slices.Contains(now.Learners, id):
				promoted = append(promoted, id)
			default:
				added = append(added, id)
			}
		}
		w.next.Learners = without(now.Learners, ids)
		if op.Learner {
			w.next.Learners = sorted(w.next.Learners, ids)
		} else {
			w.next.Voters = sorted(now.Voters, ids)
		}
		var did []string
		if len(added) > 0 && op.Learner {
			did = append(did, names(added)+" added without a vote")
		} else if len(added) > 0 {
			did = append(did, names(added)+" added")
		}
		if len(promoted) > 0 {
			did = append(did, names(promoted)+" given a vote")
		}
		w.did = strings.Join(did, ", ")
		return w, nil
	})
}

// remove takes nodes out of the configuration and ends them.
func (l *lab) remove(ctx context.Context, op *Op) (*OpResult, error) {
	return l.changeMembers(ctx, op, func(now ConfigStatus) (*wish, error) {
		members, err := l.resolve(op.Nodes, anyNode)
		if err != nil {
			return nil, err
		}
		ids := memberIDs(members)
		w := &wish{next: now, leave: members, about: ids, did: names(ids) + " removed"}
		w.next.Voters, w.next.Learners = without(now.Voters, ids), without(now.Learners, ids)
		if len(w.next.Voters) == 0 && len(now.Voters) > 0 {
			last := "S%d is the last voter"
			if len(now.Voters) > 1 {
				last = fmt.Sprintf("%s are all voters there are", names(now.Voters))
			} else {
				last = fmt.Sprintf(last, now.Voters[0])
			}
			return nil, Errorf(ExitConflict, "%s: a cluster without one could never decide anything again, not even to take one in", last).
				WithHint("raftlab add gives it another first; raftlab down ends the lab")
		}
		return w, nil
	})
}

// setMembers makes the nodes named, and nobody else, the voters.
func (l *lab) setMembers(ctx context.Context, op *Op) (*OpResult, error) {
	return l.changeMembers(ctx, op, func(now ConfigStatus) (*wish, error) {
		ids, err := l.newcomers(op)
		if err != nil {
			return nil, err
		}
		w := &wish{next: ConfigStatus{Voters: ids, Learners: []int{}}, about: ids}
		var added, promoted, removed []int
		for _, id := range w.next.Voters {
			switch {
			case slices.Contains(now.Learners, id):
				promoted = append(promoted, id)
			case !slices.Contains(now.Voters, id):
				added = append(added, id)
			}
		}
		for _, m := range l.members {
			if !slices.Contains(w.next.Voters, m.id) {
				w.leave = append(w.leave, m)
				removed = append(removed, m.id)
			}
		}
		var did []string
		for _, d := range []struct {
			ids  []int
			text string
		}{{added, "added"}, {promoted, "given a vote"}, {removed, "removed"}} {
			if len(d.ids) > 0 {
				did = append(did, names(d.ids)+" "+d.text)
			}
		}
		w.did = strings.Join(did, ", ")
		if w.did == "" {
			w.none = fmt.Sprintf("the members are %s already", now.String())
		}
		return w, nil
	})
}

// newcomers resolves words of which a number may be that of a node to come.
// With mu held.
func (l *lab) newcomers(op *Op) ([]int, error) {
	parsed, err := ParseNodes(op.Nodes)
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, w := range parsed {
		if w.ID > NodesMax {
			return nil, Errorf(ExitUsage, "a lab has nodes 1 to %d, so there can be no S%d", NodesMax, w.ID).WithHint("raftlab %s %d", op.Verb, len(l.members)+1)
		}
		found := []int{w.ID}
		if w.Group != "" {
			members, err := l.resolveWord(w, anyNode)
			if err != nil {
				return nil, err
			}
			found = found[:0]
			for _, m := range members {
				found = append(found, m.id)
			}
		}
		ids = append(ids, found...)
	}
	return sorted(nil, ids), nil
}

func without(ids, out []int) []int {
	rest := []int{}
	for _, id := range ids {
		if !slices.Contains(out, id) {
			rest = append(rest, id)
		}
	}
	return rest
}

func sorted(ids, more []int) []int {
	all := slices.Concat(ids, more)
	slices.Sort(all)
	return slices.Compact(all)
}
