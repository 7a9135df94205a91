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
	descSnapshot  = desc("node_snapshot_index", "Index up to which the node's snapshot stands for the log, 0 when there is none.", "node")
	descFirst     = desc("node_first_index", "Index of the first entry of the log.", "node")
	descMember    = desc("member", "1 for each set of the configuration in force that the node is in: voter, voter_old while it is joint, learner.", "node", "set")
	descConfig    = desc("config_index", "Index of the entry of the configuration in force, 0 for the first one.")
	descCommitted = desc("config_committed", "1 when that entry is committed.")
	descFlow      = desc("peer_flow", "1 for the way a leader sends to a peer: probe, replicate or snapshot.", "node", "peer", "flow")
	descMatch     = desc("peer_match_index", "matchIndex of a leader's peer.", "node", "peer")
	descUnsafe    = desc("unsafe_rule", "1 for each rule of Raft that is switched off on purpose.", "rule")
	descStarts    = desc("node_starts_total", "How often the node's process was started.", "node")
	descSent      = desc("link_frames_sent_total", "Frames that left the sender.", "from", "to")
	descDelivered = desc("link_frames_delivered_total", "Frames that arrived.", "from", "to")
	descDropped   = desc("link_frames_dropped_total", "Frames that the network dropped.", "from", "to")
	descChecked   = desc("checked_total", "What was judged by each property of Raft.", "property")
	descUnknown   = desc("unknown_total", "What could not be judged by each property of Raft.", "property")
	descBroken    = desc("violations_total", "How often each property of Raft was seen broken.", "property")
	descHeld      = desc("link_frames_waiting", "Frames that wait in the network.", "from", "to")
)

func (collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descEvents, descLeader, descClock, descUp, descRole, descTerm, descLast, descCommit, descApplied, descData, descStarts,
		descSnapshot, descFirst, descMember, descConfig, descCommitted, descFlow, descMatch, descUnsafe,
		descSent, descDelivered, descDropped, descHeld, descChecked, descUnknown, descBroken,
	} {
		out <- d
	}
}

func (c collector) Collect(out chan<- prometheus.Metric) {
	var s *Status
	if c.lab.request(c.lab.ctx, func() { s = c.lab.status() }) != nil {
		return // it ends
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	counter(descEvents, s.LastEvent)
	for _, p := range c.lab.checks.properties() {
		counter(descChecked, p.Checked, p.Property)
		counter(descUnknown, p.Unknown, p.Property)
		counter(descBroken, p.Violations, p.Property)
	}
	gauge(descLeader, float64(s.Leader))
	gauge(descConfig, float64(s.Config.Index))
	gauge(descCommitted, float64(count(s.Config.Committed)))
	for _, rule := range s.Unsafe {
		gauge(descUnsafe, 1, rule)
	}
	for _, set := range []struct {
		name string
		ids  []int
	}{{"voter", s.Config.Voters}, {"voter_old", s.Config.VotersOld}, {"learner", s.Config.Learners}} {
		for _, id := range set.ids {
			gauge(descMember, 1, strconv.Itoa(id), set.name)
		}
	}
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
		gauge(descSnapshot, float64(n.SnapshotIndex), id)
		gauge(descFirst, float64(n.FirstIndex), id)
		counter(descStarts, uint64(n.Starts), id)
		if n.State != StateUp {
			continue // what it last said of its peers is over
		}
		for _, p := range n.Peers {
			gauge(descFlow, 1, id, strconv.Itoa(p.ID), p.Flow)
			gauge(descMatch, float64(p.Match), id, strconv.Itoa(p.ID))
		}
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
