package netlab

import (
	"context"
	"errors"
	"time"

	"github.com/raftlab/raftlab/netlab/sim"
	"github.com/raftlab/raftlab/node/client"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// simClient is a client of a simulated cluster, with the errors of one over TCP.
type simClient struct {
	s      *simulation
	client *sim.Client
}

func (s *simulation) newClient(session, seed uint64, nodes func() []int) kvClient {
	return &simClient{s, s.world.NewClient(sim.ClientOptions{
		Session: session, Seed: seed,
		Nodes: func() []raft.NodeID { return nodeIDs(nodes()) },
	})}
}

func (c *simClient) Close() { c.client.Close() }

func (c *simClient) Do(ctx context.Context, r wire.Request) (wire.Reply, error) {
	var reply wire.Reply
	var failed error
	done := make(chan struct{})
	c.s.catchUp()
	giveUp := c.client.Do(r, 0, func(got wire.Reply, err error) {
		reply, failed = got, err
		c.s.tasks.stirred = true
		close(done)
	})
	why := c.s.tasks.await(ctx, wake{on: channels{done}})
	if !isClosed(done) {
		giveUp()
	}
	return reply, clientError(failed, why)
}

// clientError is what a client over TCP would say.
func clientError(err, why error) error {
	var refused *sim.Refused
	var none *sim.Unanswered
	switch {
	case errors.As(err, &refused):
		return &client.RefusedError{Reason: refused.Reason}
	case errors.As(err, &none):
		var reason error
		if none.Reason != "" {
			reason = errors.New(none.Reason)
		}
		if none.Unknown {
			return &client.UnknownError{What: none.What, After: time.Duration(none.After), Err: why, Reason: reason}
		}
		return &client.UndoneError{What: none.What, After: time.Duration(none.After), Err: why, Reason: reason}
	}
	return err
}
