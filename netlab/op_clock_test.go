package netlab

import (
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// What ends by the time at which a held lab stands has ended, and was told, when
// hold answers: nothing happens in a held lab.
func TestHoldTellsWhatHasEnded(t *testing.T) {
	l := fakeLab(t, 3)
	l.lead(1, 2)
	const longest = time.Hour
	for id := 1; id <= 3; id++ {
		l.obeys(t, id, func(wire.Order) wire.Outcome {
			return wire.Outcome{Waiting: &wire.Waiting{At: raft.Time(2 * longest), Due: raft.Never}}
		})
	}
	l.clock.Adjust(1, false)
	l.must(t, Op{Verb: "lose", Links: []string{"all"}, Loss: 1, For: longest})
	runs := l.clock.Changed()
	l.running.Go(func() { // they stand when they hear of it
		<-runs
		for id := 1; id <= 3; id++ {
			l.say(id, wire.State{Term: 2, Held: true})
		}
	})
	res := l.must(t, Op{Verb: "hold"})
	now := l.status()
	if len(res.Notes) > 0 || now.Clock.LabNS < int64(2*longest) || len(now.Faults) > 0 {
		t.Errorf("hold says %+v, and faults at %d are %+v", res, now.Clock.LabNS, now.Faults)
	}
	events, _ := l.events.after(res.Event, eventsLimit)
	if len(events) != 1 || !strings.Contains(events[0].Text, "has ended after 1h") {
		t.Errorf("behind hold there is %+v", events)
	}
}
