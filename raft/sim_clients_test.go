package raft_test

import (
	"errors"

	"github.com/raftlab/raftlab/raft"
)

// The clients of a schedule (§8). Each wants one thing after another, asks the
// server it takes for the leader, and asks again, maybe elsewhere, until it is
// answered: under the same sequence number, so that the state machine does it
// once. What a client and a server say to each other is lost and late like
// everything else, but no partition lies between them.

// client is one of them.
type client struct {
	sim  *sim
	id   uint32
	seq  uint32
	op   *operation // what it waits for; nil while it thinks
	to   raft.NodeID
	asks int // how often it has asked, so that an old timer knows that it is old
	left int // in peace, how many more operations it has before it
	gone bool
}

func (s *sim) newClient() {
	c := &client{sim: s, id: uint32(len(s.clients) + 1), to: s.anyServer().id}
	s.clients = append(s.clients, c)
	c.think()
}

func (s *sim) anyServer() *simServer { return s.servers[s.rand.IntN(len(s.servers))] }

// think lets some time pass before the next operation.
func (c *client) think() { c.sim.after(2*c.sim.draw.thinkTime, c.next) }

// next begins an operation.
func (c *client) next() {
	s := c.sim
	if c.op != nil || c.gone || s.healed && c.left == 0 {
		return
	}
	c.seq++
	cmd := command{id: operationID{c.id, c.seq}, key: uint8(s.rand.IntN(keys))}
	by := byLog
	if s.rand.IntN(100) < s.draw.readPct {
		cmd.read = true
		switch {
		case s.rand.IntN(4) == 0: // through the log
		case s.rand.IntN(100) < s.draw.leasePct:
			by = byLease
		default:
			by = byReadIndex
		}
	}
	c.op = s.history.call(cmd, by)
	c.ask()
}

// ask sends the request, and again after a while without an answer.
func (c *client) ask() {
	s, op := c.sim, c.op
	c.asks++
	asks := c.asks
	if s.rand.IntN(4) == 0 || op.by == byReadIndex { // who does not lead may know who does
		c.to = s.anyServer().id
	}
	srv := s.servers[c.to-1]
	if !s.lost() {
		s.after(s.delay(), func() {
			switch {
			case srv.node == nil:
			case srv.pausedUntil > s.now:
				s.agenda.push(srv.pausedUntil, srv, func() { s.serve(srv, c, op) })
			default:
				s.serve(srv, c, op)
			}
		})
	}
	s.after(2*s.draw.patience, func() {
		switch {
		case c.op != op || c.asks != asks:
		case !s.healed && s.rand.IntN(20) == 0: // it gives up, and another comes
			c.op, c.gone = nil, true
			s.newClient()
		default:
			c.to = s.anyServer().id
			c.ask()
		}
	})
}

// redirect tells c to ask again: the leader, if one is known, else somebody, later.
func (s *sim) redirect(c *client, op *operation, leader raft.NodeID) {
	asks, wait := c.asks, s.delay()
	if leader == 0 {
		leader, wait = s.anyServer().id, wait+40*ms
	}
	s.after(wait, func() {
		if c.op == op && c.asks == asks {
			c.to = leader
			c.ask()
		}
	})
}

// serve takes a client's request on, if srv can.
func (s *sim) serve(srv *simServer, c *client, op *operation) {
	var err error
	if op.by == byLog {
		_, err = srv.node.Propose(s.now, raft.EntryCommand, op.encode(s.rand.IntN(60)))
		if err == nil {
			srv.commands = append(srv.commands, op)
		}
	} else {
		srv.asked++
		if err = srv.node.Read(s.now, op.by == byLease, srv.asked); err == nil {
			srv.reads[srv.asked] = op
		}
	}
	if s.trace != nil {
		s.say("%v asks %v: %v", op, srv.id, err)
	}
	switch {
	case err == nil:
		s.input(srv)
	case errors.Is(err, raft.ErrNotLeader):
		s.redirect(c, op, srv.node.Leader())
	case errors.Is(err, raft.ErrTransferring):
		s.redirect(c, op, 0)
	default:
		s.fail(err)
	}
}

// answerCommands answers those who wait at srv for the command that has just
// been applied.
func (s *sim) answerCommands(srv *simServer, r result) {
	rest := srv.commands[:0]
	for _, op := range srv.commands {
		if op.id == r.id {
			s.answer(op, r.register)
		} else {
			rest = append(rest, op)
		}
	}
	srv.commands = rest
}

// takeReads looks at what srv's node says about reads.
func (s *sim) takeReads(srv *simServer, reads []raft.Read) {
	for _, r := range reads {
		op, ok := srv.reads[r.ID]
		if !ok {
			panic("an answer to a read that nobody waits for")
		}
		delete(srv.reads, r.ID)
		if s.trace != nil {
			s.say("%v: %v: %+v", srv.id, op, r)
		}
		if r.OK {
			srv.behind = append(srv.behind, behindRead{op, r.Index})
			s.stats.count[[...]feature{byReadIndex: readConfirmed, byLease: leaseAsked}[op.by]]++
			if srv.node.Role() != raft.Leader {
				s.stats.count[readAtFollower]++
			}
		} else {
			s.stats.count[readLost]++
			s.redirect(s.clients[op.id.client-1], op, 0)
		}
	}
}

// answerReads answers the reads whose index the state machine has reached.
func (s *sim) answerReads(srv *simServer) {
	rest := srv.behind[:0]
	for _, r := range srv.behind {
		if srv.machine.index >= r.index {
			s.answer(r.op, srv.machine.registers[r.op.key])
		} else {
			rest = append(rest, r)
		}
	}
	srv.behind = rest
}

// answer sends a client its answer. What it has had already it does not hear.
func (s *sim) answer(op *operation, told register) {
	if s.lost() {
		return
	}
	c := s.clients[op.id.client-1]
	s.after(s.delay(), func() {
		if c.op != op {
			return
		}
		s.stats.count[[...]feature{byLog: answeredByLog, byReadIndex: answeredByReadIndex, byLease: answeredByLease}[op.by]]++
		if s.trace != nil {
			s.say("%v is told %v", op, told)
		}
		s.fail(s.history.answer(op, told))
		c.op = nil
		c.left = max(0, c.left-1)
		c.think()
	})
}
