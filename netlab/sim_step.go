package netlab

import (
	"context"
	"fmt"

	"github.com/raftlab/raftlab/netlab/sim"
	"github.com/raftlab/raftlab/raft"
)

// settle has nothing to wait for: nothing moves between two steps of the world.
func (s *simulation) settle(context.Context) (raft.Time, []int, error) {
	s.tell()
	return s.lab.clock.Now(), s.running(), nil
}

// next goes one step: the next thing in the world that happens to a node, and all
// that its disk does of it at once.
func (s *simulation) next(_ context.Context, line string) (*Step, uint64, error) {
	l := s.lab
	for range stepsMax {
		at, any := s.world.Next()
		if !any {
			break
		}
		if !l.advance(at) {
			return nil, 0, errRuns()
		}
		before := s.sent()
		did, _ := s.world.Step()
		if did.Kind == sim.Nothing || did.Kind == sim.Answered {
			continue // of no concern to a node
		}
		s.world.Rest(did.Node)
		step := s.tellStep(&did)
		step.Sent = int(s.sent() - before)
		l.mu.Lock()
		event := l.event(Event{Kind: EventClock, Text: "step: " + step.Text, Line: line, Minor: true})
		l.mu.Unlock()
		s.tell()
		return step, event, nil
	}
	return nil, 0, l.nothingComes()
}

// sent is how many frames nodes have sent.
func (s *simulation) sent() (n uint64) {
	for _, c := range s.world.Links(nil) {
		n += c.Sent
	}
	return n
}

// tellStep says what a step was.
func (s *simulation) tellStep(did *sim.Did) *Step {
	id := int(did.Node)
	step := &Step{LabNS: int64(did.At), Node: id}
	switch did.Kind {
	case sim.TimedOut:
		step.Kind, step.Timer = StepTimer, did.Timer.String()
		step.Text = timerText(id, did.Timer)
	case sim.Wrote:
		step.Kind, step.Text = StepDisk, fmt.Sprintf("S%d hears that its disk is done", id)
	case sim.Asked:
		step.Kind, step.Text = StepRequest, fmt.Sprintf("a client's request reaches S%d", id)
	default:
		record := s.lab.network.frame(did.Frame)
		f := frameOf(&record)
		step.Kind, step.Peer, step.Frame = StepFrame, f.From, &f
		step.Text, _ = s.lab.arrival(&f)
		if did.Kind == sim.Arrived && record.Damaged {
			step.Text += " damaged, and is refused there"
		}
	}
	return step
}
