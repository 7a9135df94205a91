package proxy

import (
	"testing"

	"github.com/raftlab/raftlab/netlab/link"
)

func TestFramesArriveInOrder(t *testing.T) {
	w := newNetwork(t, 3)
	s := w.link(1, 3)
	s.send(3)
	w.nodes[3].wants(1, 1, 2, 3)
	s.send(1)
	w.nodes[3].wants(1, 4)
	w.eventually("all are counted", func() bool { return w.counters(1, 3).Delivered == 4 })
}

func TestDelayedFrameArrivesWhenItIsDue(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, link.Rules{Delay: link.Delay{Mean: 20e6}})
	s := w.link(1, 2)
	s.send(1)
	w.waiting(1, 2, 1)
	w.at(20*ms - 1)
	w.nodes[2].nothing()
	w.at(20 * ms)
	w.nodes[2].wants(1, 1)
	f := w.record(1, 2, 1, true)
	if f.Left != 0 || f.Due != 20*ms || f.Arrived != 20*ms || f.Reason != "" {
		t.Errorf("%+v", f)
	}
}
