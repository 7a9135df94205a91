package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// serverCPU measures the CPU time of a lab's processes: its nodes, and its own
// process, which is their network.
type serverCPU struct{ pids []int }

func newServerCPU(lab string, status *netlab.Status) (*serverCPU, error) {
	home, err := netlab.Home()
	if err != nil {
		return nil, err
	}
	labs, err := netlab.List(home)
	if err != nil {
		return nil, err
	}
	s := new(serverCPU)
	for _, l := range keepLab(labs, lab) {
		s.pids = append(s.pids, l.Pid)
	}
	for _, n := range status.Nodes {
		if n.Pid != 0 {
			s.pids = append(s.pids, n.Pid)
		}
	}
	return s, nil
}

// over returns the CPU time that all of them take within a window of time.
func (s *serverCPU) over(ctx context.Context, w loadWindow) (time.Duration, error) {
	if err := sleepUntil(ctx, w.from); err != nil {
		return 0, err
	}
	before, err := s.sum()
	if err != nil {
		return 0, err
	}
	if err := sleepUntil(ctx, w.to); err != nil {
		return 0, err
	}
	after, err := s.sum()
	return after - before, err
}

func (s *serverCPU) sum() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range s.pids {
		d, err := cpuTime(pid)
		if err != nil {
			return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
		}
		sum += d
	}
	return sum, nil
}

func sleepUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
