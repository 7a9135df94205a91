package netlab

import (
	"log"
	"log/slog"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// collector makes Prometheus metrics of the status when they are asked for, so
// that they cost nothing otherwise.
type collector struct{ lab *lab }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("raftlab_"+name, help, labels, nil)
}

var (
	descEvents    = desc("events_total", "Events since the lab was started.")
	descLeader    = desc("leader", "The leader of the highest term, 0 when there is none.")
	descClock     = desc("clock_seconds", "The lab clock.")
	descUp        = desc("node_state", "1 for the state the node's process is in.", "node", "state")
	descRole      = desc("node_role", "1 for the role the node has.", "node", "role")
	descTerm      = desc("node_term", "currentTerm.", "node")
	descLast      = desc("node_last_index", "Index of the last entry of the log.", "node")
	descCommit    = desc("node_commit_index", "commitIndex.", "node")
	descApplied   = desc("node_applied_index", "lastApplied.", "node")
	descData      = desc("node_data_bytes", "Size of the node's log on disk.", "node")
	descStarts    = desc("node_starts_total", "How often the node's process was started.", "node")
	descSent      = desc("link_frames_sent_total", "Frames that left the sender.", "from", "to")
	descDelivered = desc("link_frames_delivered_total", "Frames that arrived.", "from", "to")
	descDropped   = desc("link_frames_dropped_total", "Frames that the network dropped.", "from", "to")
	descHeld      = desc("link_frames_waiting", "Frames that wait in the network.", "from", "to")
)

func (collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descEvents, descLeader, descClock, descUp, descRole, descTerm, descLast, descCommit, descApplied, descData, descStarts,
		descSent, descDelivered, descDropped, descHeld,
	} {
		out <- d
	}
}

func (c collector) Collect(out chan<- prometheus.Metric) {
	s := c.lab.status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	counter(descEvents, s.LastEvent)
	gauge(descLeader, float64(s.Leader))
	gauge(descClock, float64(s.Clock.LabNS)/1e9)
	for i := range s.Nodes {
		n := &s.Nodes[i]
		id := strconv.Itoa(n.ID)
		gauge(descUp, 1, id, n.State)
		gauge(descRole, 1, id, n.Role)
		gauge(descTerm, float64(n.Term), id)
		gauge(descLast, float64(n.LastIndex), id)
		gauge(descCommit, float64(n.Commit), id)
		gauge(descApplied, float64(n.Applied), id)
		gauge(descData, float64(n.DataBytes), id)
		counter(descStarts, uint64(n.Starts), id)
	}
	for _, l := range s.Links {
		from, to := strconv.Itoa(l.From), strconv.Itoa(l.To)
		counter(descSent, l.Sent, from, to)
		counter(descDelivered, l.Delivered, from, to)
		counter(descDropped, l.Dropped, from, to)
		gauge(descHeld, float64(l.Held), from, to)
	}
}

// newErrorLog has the HTTP server's complaints about clients among the lab's
// own words.
func newErrorLog(l *slog.Logger) *log.Logger {
	return slog.NewLogLogger(l.Handler(), slog.LevelWarn)
}
