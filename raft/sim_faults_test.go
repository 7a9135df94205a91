package raft_test

import (
	"errors"
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// What happens to a schedule's servers and links, and what an operator does to
// the cluster.

// faults lists what may happen to a server in this schedule, what is more
// likely more often.
func (d *draw) faults() (kinds []func(*sim, *simServer)) {
	add := func(enabled bool, times int, kind func(*sim, *simServer)) {
		for range times {
			if enabled {
				kinds = append(kinds, kind)
			}
		}
	}
	add(d.crash, 4, (*sim).crash)
	add(d.cut, 2, (*sim).partition)
	add(d.cut, 2, (*sim).isolate)
	add(d.cut, 1, (*sim).cutLink)
	add(d.slow, 1, (*sim).slowLink)
	add(d.pause, 1, (*sim).pause)
	add(d.stand, 1, (*sim).stand)
	add(true, 2, (*sim).mend)
	return kinds
}

// fault lets one of them happen, and a server that is down come back.
func (s *sim) fault() {
	if s.healed {
		return
	}
	srv := s.anyServer()
	if l := s.leader(); l != nil && s.rand.IntN(100) < s.draw.aimPct {
		srv = l
	}
	if srv.node == nil {
		s.start(srv)
	} else {
		s.faults[s.rand.IntN(len(s.faults))](s, srv)
	}
	s.after(2*s.draw.faultEvery, s.fault)
}

func (s *sim) crash(srv *simServer) {
	whole := s.rand.IntN(len(srv.writes) + 1)
	torn := s.rand.IntN(5)
	s.say("crash %v with %d writes on their way, of which %d and %d pieces are on disk", srv.id, len(srv.writes), whole, torn)
	s.stats.count[crashed]++
	if srv.node.Role() == raft.Leader && srv.node.Status().Config.Joint() {
		s.stats.count[crashedJoint]++
	}
	if len(srv.part.data) > 0 {
		s.stats.count[crashedInTransfer]++
	}
	srv.server.crash(whole, torn)
	if s.rand.IntN(3) == 0 { // it is back at once
		s.after(20*ms, func() {
			if srv.node == nil && !srv.out {
				s.start(srv)
			}
		})
	}
}

// partition cuts the servers into two sides.
func (s *sim) partition(srv *simServer) {
	s.mend(srv)
	var side [maxServers + 1]bool
	for id := range side {
		side[id] = s.rand.IntN(2) == 0
	}
	for a := range side {
		for b := range side {
			s.cut[a][b] = side[a] != side[b]
		}
	}
	s.say("partition %v", side)
}

// isolate cuts all links of srv, or only those in one direction.
func (s *sim) isolate(srv *simServer) {
	which := s.rand.IntN(3)
	s.say("isolate %v %v", srv.id, [...]string{"both ways", "from whom it hears", "from who hears it"}[which])
	s.isolateFrom(srv, which != 2, which != 1)
}

// isolateFrom cuts srv's links: those to it, those from it.
func (s *sim) isolateFrom(srv *simServer, to, from bool) {
	for id := range s.cut {
		s.cut[id][srv.id] = s.cut[id][srv.id] || to
		s.cut[srv.id][id] = s.cut[srv.id][id] || from
	}
}

func (s *sim) cutLink(srv *simServer) {
	other, both := s.anyServer(), s.rand.IntN(2) == 0
	s.say("cut %v to %v, both ways: %v", srv.id, other.id, both)
	s.cut[srv.id][other.id] = true
	s.cut[other.id][srv.id] = s.cut[other.id][srv.id] || both
}

func (s *sim) slowLink(srv *simServer) {
	other := s.anyServer()
	s.say("%v to %v is slow", srv.id, other.id)
	s.slow[srv.id][other.id] = true
}

func (s *sim) pause(srv *simServer) {
	s.say("pause %v", srv.id)
	srv.pausedUntil = s.now + raft.Time(s.rand.Int64N(300*ms))
}

// stand has srv stand for election though nothing asks for it.
func (s *sim) stand(srv *simServer) {
	if srv.pausedUntil > s.now || srv.node.Role() == raft.Leader {
		return
	}
	s.say("%v is told to stand: %v", srv.id, srv.node.Campaign(s.now))
	s.input(srv)
}

// mend makes all links whole and quick.
func (s *sim) mend(*simServer) {
	s.say("mend")
	clear(s.cut[:])
	clear(s.slow[:])
}

// operate does something an operator does: change the members, hand the
// leadership over, end servers that are no members any more and start them
// again.
func (s *sim) operate() {
	if s.healed {
		return
	}
	leader := s.leader()
	switch k := s.rand.IntN(8); {
	case leader == nil || leader.pausedUntil > s.now:
	case k < 4 && s.draw.change:
		s.change(leader)
	case k < 6 && s.draw.transfer:
		s.transfer(leader)
	case k == 6:
		s.retire(s.anyServer())
	}
	s.after(2*s.draw.operateEvery, s.operate)
}

// change asks leader for other members: one more, one less, or any.
func (s *sim) change(leader *simServer) {
	now := leader.node.Status().Config
	next := raft.Configuration{Voters: now.Voters, Learners: now.Learners}.Clone()
	who := s.anyServer().id
	without := func(ids []raft.NodeID) []raft.NodeID {
		return slices.DeleteFunc(ids, func(id raft.NodeID) bool { return id == who })
	}
	switch k := s.rand.IntN(10); {
	case k < 3: // a voter more
		next.Voters, next.Learners = append(without(next.Voters), who), without(next.Learners)
	case k < 6: // somebody less
		next.Voters, next.Learners = without(next.Voters), without(next.Learners)
	case k == 6: // a learner, who may have been a voter
		next.Voters, next.Learners = without(next.Voters), append(without(next.Learners), who)
	default: // any set to any set
		next = raft.Configuration{}
		for _, srv := range s.servers {
			switch s.rand.IntN(5) {
			case 0, 1, 2:
				next.Voters = append(next.Voters, srv.id)
			case 3:
				next.Learners = append(next.Learners, srv.id)
			}
		}
	}
	slices.Sort(next.Voters)
	slices.Sort(next.Learners)
	err := leader.node.ChangeMembers(s.now, next)
	s.say("%v is to change from %v to %v: %v", leader.id, now, next, err)
	if err != nil {
		s.stats.count[changeRefused]++
		if errors.Is(err, raft.ErrNotLeader) {
			s.fail(err)
		}
		return
	}
	s.stats.count[changeBegun]++
	for _, id := range next.Members() {
		if srv := s.servers[id-1]; srv.node == nil && srv.out {
			s.start(srv)
		}
	}
	s.input(leader)
}

func (s *sim) transfer(leader *simServer) {
	to := s.anyServer().id
	err := leader.node.TransferLeadership(s.now, to)
	s.say("%v is to hand over to %v: %v", leader.id, to, err)
	if err == nil {
		s.input(leader)
	}
}

// retire ends srv if it is a member no more: the newest configuration that is
// applied has it not, nor has one that may yet be.
func (s *sim) retire(srv *simServer) {
	if srv.node == nil || s.check.configuration().Has(srv.id) {
		return
	}
	for _, other := range s.servers {
		if other.node == nil {
			continue
		}
		if st := other.node.Status(); st.ConfigIndex > s.check.applied && st.Config.Has(srv.id) {
			return
		}
	}
	s.say("end %v, which is out of %v", srv.id, s.check.configuration())
	srv.server.crash(len(srv.writes), 0)
	srv.out = true
}

// tidy keeps the house in peace: members run, and who is none any more and does
// not know it is ended. Without PreVote and the rule to ignore it, it would
// disturb the others for ever (§6, thesis §4.2.3).
func (s *sim) tidy() {
	for _, srv := range s.servers {
		switch {
		case srv.node == nil && s.check.configuration().Has(srv.id):
			s.start(srv)
		case !s.draw.config.PreVote && !s.draw.config.IgnoreVotes:
			s.retire(srv)
		}
	}
	s.after(100*ms, s.tidy)
}
