package netlab

import (
	"cmp"
	"slices"
	"time"
)

// Schemas name the shape of every JSON object that leaves the lab. Fields are
// added, never renamed; a break raises the number.
const (
	SchemaStatus = "raftlab.status/1"
	SchemaLog    = "raftlab.log/1"
	SchemaEvent  = "raftlab.event/1"
	SchemaBench  = "raftlab.bench/1"
)

// Status is a picture of a whole lab at one moment.
type Status struct {
	Schema     string       `json:"schema"`
	Lab        string       `json:"lab"`
	Engine     string       `json:"engine"` // process
	Version    string       `json:"version"`
	Seed       uint64       `json:"seed"`
	Profile    string       `json:"profile"`
	Term       uint64       `json:"term"`   // the highest any node has
	Leader     int          `json:"leader"` // of the highest term with one, 0 when there is none
	Quorum     int          `json:"quorum"`
	Commit     uint64       `json:"commit"` // the highest any node knows
	Clock      ClockStatus  `json:"clock"`
	Timing     Timing       `json:"timing"`
	Partition  [][]int      `json:"partition"` // [] when whole
	Unsafe     []string     `json:"unsafe"`
	Nodes      []NodeStatus `json:"nodes"` // ascending by ID
	Links      []LinkStatus `json:"links"` // ascending by From, To
	Config     ConfigStatus `json:"config"`
	Load       *LoadStatus  `json:"load,omitempty"`      // while background writes run
	LoadLast   *LoadStatus  `json:"load_last,omitempty"` // how those came out that ran last
	Violations []Violation  `json:"violations"`
	LastEvent  uint64       `json:"last_event"` // the status includes all events up to this id
}

// ConfigStatus is the newest configuration the leader has, or the node of the
// highest term while there is none (§6).
type ConfigStatus struct {
	Index     uint64        `json:"index"` // of its entry; 0 is the one the lab began with
	Committed bool          `json:"committed"`
	Voters    []int         `json:"voters"`     // C_new while joint
	VotersOld []int         `json:"voters_old"` // C_old while joint, else []
	Learners  []int         `json:"learners"`
	Target    *TargetStatus `json:"target,omitempty"` // what learners are caught up for
}

// TargetStatus is a configuration the leader prepares (thesis §4.2.1).
type TargetStatus struct {
	Voters   []int `json:"voters"`
	Learners []int `json:"learners"`
}

// ClockStatus is the lab clock.
type ClockStatus struct {
	LabNS int64   `json:"lab_ns"`
	Rate  float64 `json:"rate"`
	Held  bool    `json:"held"`
}

// Timing is what the lab's nodes were configured with.
type Timing struct {
	HeartbeatNS   int64 `json:"heartbeat_ns"`
	ElectionMinNS int64 `json:"election_min_ns"`
	ElectionMaxNS int64 `json:"election_max_ns"`
	PreVote       bool  `json:"pre_vote"`
	CheckQuorum   bool  `json:"check_quorum"`
	IgnoreVotes   bool  `json:"ignore_votes"` // the §6 rule: who hears a leader ignores requests for votes
	Transfer      bool  `json:"transfer"`
	SnapshotBytes int64 `json:"snapshot_bytes"` // log size at which a node takes a snapshot; 0 is never
}

// The states of a node's process.
const (
	StateUp     = "up"
	StateDead   = "dead"
	StatePaused = "paused"
)

// The roles, as in raft.Role.
const (
	RoleLeader       = "leader"
	RoleCandidate    = "candidate"
	RolePreCandidate = "precandidate"
	RoleFollower     = "follower"
	RoleLearner      = "learner"
)

// NodeStatus is one node: its process, and what it last reported. Of a node
// that is dead or paused the latter is its last word, taken at SeenNS.
type NodeStatus struct {
	ID            int    `json:"id"`
	State         string `json:"state"`
	Pid           int    `json:"pid"` // 0 when dead
	Role          string `json:"role"`
	Term          uint64 `json:"term"`
	Vote          int    `json:"vote"`
	Leader        int    `json:"leader"`
	LastIndex     uint64 `json:"last_index"`
	LastTerm      uint64 `json:"last_term"`
	Commit        uint64 `json:"commit"`
	Applied       uint64 `json:"applied"`
	SnapshotIndex uint64 `json:"snapshot_index"`
	SnapshotTerm  uint64 `json:"snapshot_term"`
	Voters        []int  `json:"voters"`
	VotersOld     []int  `json:"voters_old"`
	Learners      []int  `json:"learners"`
	ConfigIndex   uint64 `json:"config_index"` // of the entry these are of; 0 at the start
	FirstIndex    uint64 `json:"first_index"`  // the log's first entry; more than 1 once a snapshot stands for those before
	RaftAddr      string `json:"raft_addr"`
	ClientAddr    string `json:"client_addr"`

	Durable      uint64       `json:"durable"`        // last index on the node's disk
	Log          []TermRun    `json:"log"`            // the log's terms, run by run; of very many the newest
	TimerStartNS int64        `json:"timer_start_ns"` // lab time; a leader's is its heartbeat timer
	TimerEndNS   int64        `json:"timer_end_ns"`   // 0 when no timer runs
	Votes        []VoteStatus `json:"votes,omitempty"`
	Peers        []PeerStatus `json:"peers,omitempty"`        // a leader's
	Pending      int          `json:"pending"`                // clients' requests waiting at this node
	TransferTo   int          `json:"transfer_to,omitempty"`  // whom a leader is handing over to
	LeaseEndNS   int64        `json:"lease_end_ns,omitempty"` // lab time until which a leader may read on its lease
	SteppedDown  string       `json:"stepped_down,omitempty"` // why it gave up the leadership of its term: quorum, removed
	SnapshotSize int64        `json:"snapshot_bytes,omitempty"`
	Snapshotting bool         `json:"snapshotting,omitempty"`
	DataBytes    int64        `json:"data_bytes"`
	SinceNS      int64        `json:"since_ns"`       // lab time at which Role and Term were taken
	StateNS      int64        `json:"state_ns"`       // lab time at which State was taken: killed at, up since
	SeenNS       int64        `json:"seen_ns"`        // lab time of the node's last report
	Starts       int          `json:"starts"`         // how often its process was started
	Exit         string       `json:"exit,omitempty"` // why it is dead, when nobody asked for it
}

// TermRun is Count consecutive entries of Term, from First on.
type TermRun struct {
	Term  uint64 `json:"term"`
	First uint64 `json:"first"`
	Count uint64 `json:"count"`
}

// VoteStatus is one answer a candidate has.
type VoteStatus struct {
	From    int  `json:"from"`
	Granted bool `json:"granted"`
}

// PeerStatus is a leader's view of one follower.
type PeerStatus struct {
	ID        int    `json:"id"`
	Next      uint64 `json:"next"`
	Match     uint64 `json:"match"`
	Inflight  int    `json:"inflight"`
	Probing   bool   `json:"probing"`
	Flow      string `json:"flow"` // probe, replicate, snapshot
	LastAckNS int64  `json:"last_ack_ns"`

	SnapshotIndex  uint64 `json:"snapshot_index,omitempty"`  // of the snapshot it is sent
	SnapshotOffset int64  `json:"snapshot_offset,omitempty"` // bytes of it that have arrived
}

// LinkStatus is one directed link, what is set on it and what it did. Cut tells
// of `cut` alone; Wall that a partition stands between its ends.
type LinkStatus struct {
	From      int     `json:"from"`
	To        int     `json:"to"`
	Cut       bool    `json:"cut"`
	Wall      bool    `json:"wall"`
	DelayMS   float64 `json:"delay_ms"`
	JitterMS  float64 `json:"jitter_ms"`
	Loss      float64 `json:"loss"`      // share, 0 to 1
	Duplicate float64 `json:"duplicate"` // share, 0 to 1
	Reorder   float64 `json:"reorder"`   // share, 0 to 1
	Corrupt   float64 `json:"corrupt"`   // share, 0 to 1
	RateBytes int64   `json:"rate_bytes"`
	Held      int     `json:"held"` // frames waiting in the network
	Sent      uint64  `json:"sent"`
	Delivered uint64  `json:"delivered"`
	Dropped   uint64  `json:"dropped"`
	FlightNS  int64   `json:"flight_ns"` // median of the last frames delivered, lab time; 0 when none
}

// LoadStatus is the lab's own background writer.
type LoadStatus struct {
	Rate    float64 `json:"rate"` // asked for, operations/s
	Clients int     `json:"clients"`
	Done    uint64  `json:"done"`
	Failed  uint64  `json:"failed"`
	PerSec  float64 `json:"per_s"`    // over the last second
	UntilNS int64   `json:"until_ns"` // lab time; 0 is until stopped
}

// Violation is a promise of Raft that was broken.
type Violation struct {
	Property string `json:"property"`
	Term     uint64 `json:"term"`
	Index    uint64 `json:"index"`
	Nodes    []int  `json:"nodes"`
	LabNS    int64  `json:"lab_ns"`
	Message  string `json:"message"`
}

// The kinds of events.
const (
	EventRole      = "role"      // a node changed its role
	EventTimeout   = "timeout"   // an election timer ran out
	EventTerm      = "term"      // a higher term was adopted
	EventVote      = "vote"      // a vote was given, refused or counted
	EventElected   = "elected"   // a term has its leader
	EventAppend    = "append"    // entries joined a log
	EventTruncate  = "truncate"  // entries were deleted by a leader's
	EventRefuse    = "refuse"    // an append was refused, a leader walks back
	EventCommit    = "commit"    // a commit index moved, or could not (§5.4.2)
	EventConfig    = "config"    // a configuration took effect, committed, or was given up (§6)
	EventSnapshot  = "snapshot"  // a snapshot was taken, sent, installed (§7)
	EventTransfer  = "transfer"  // a leadership was handed over, or not (thesis §3.10)
	EventRead      = "read"      // reads were confirmed (thesis §6.4)
	EventProcess   = "process"   // a process started, ended, was paused
	EventFault     = "fault"     // the network was changed
	EventClock     = "clock"     // the lab clock was held, released, set to another rate
	EventClient    = "client"    // an operation through the lab
	EventNote      = "note"      // something somebody said
	EventViolation = "violation" // a promise was broken
)

// Event is one numbered fact. IDs start at 1 and have no gaps.
type Event struct {
	Schema string    `json:"schema"`
	ID     uint64    `json:"id"`
	At     time.Time `json:"at"`
	LabNS  int64     `json:"lab_ns"`
	Kind   string    `json:"kind"`
	Node   int       `json:"node"` // 0: the network, the clock, the lab
	Peer   int       `json:"peer,omitempty"`
	Term   uint64    `json:"term,omitempty"`
	First  uint64    `json:"first,omitempty"` // first and last index it is about
	Index  uint64    `json:"index,omitempty"`
	Text   string    `json:"text"`            // one sentence, without the node's name
	Rule   string    `json:"rule,omitempty"`  // the rule of Raft behind it, with its section
	Line   string    `json:"line,omitempty"`  // the command line that caused it
	Minor  bool      `json:"minor,omitempty"` // routine: an append, a follower's commit; views fold these
	// Config tells that entry Index holds a configuration and of which sort: ConfigJoint or ConfigSimple.
	Config string `json:"config,omitempty"`
}

// The sorts of configurations.
const (
	ConfigJoint  = "joint"  // C_old,new: both majorities count (§6)
	ConfigSimple = "simple" // one set of voters
)

// Frame is one message in the network. All times are lab time in nanoseconds,
// taken by the network on one clock.
type Frame struct {
	ID        uint64 `json:"id"` // unique in the lab
	From      int    `json:"from"`
	To        int    `json:"to"`
	Number    uint64 `json:"number"` // on its link, from 1
	Kind      string `json:"kind"`   // as wire.Kind names it: vote, vote-reply, prevote, prevote-reply, append, append-reply, heartbeat, snapshot, …
	Term      uint64 `json:"term"`
	Bytes     int    `json:"bytes"`
	LeftNS    int64  `json:"left_ns"`
	DueNS     int64  `json:"due_ns"`
	ArrivedNS int64  `json:"arrived_ns"`       // 0 while under way or when dropped
	DroppedNS int64  `json:"dropped_ns"`       // 0 unless dropped
	Reason    string `json:"reason,omitempty"` // why dropped: wall, cut, loss, dead node, …

	// What it says, by kind: of an append the entry before the first one carried,
	// how many it carries and the leader's commit index; of an answer whether it
	// says yes, and the index it confirms; of a vote the candidate's last entry.
	PrevIndex uint64 `json:"prev_index,omitempty"`
	PrevTerm  uint64 `json:"prev_term,omitempty"`
	Entries   int    `json:"entries,omitempty"`
	Commit    uint64 `json:"commit,omitempty"`
	OK        bool   `json:"ok,omitempty"`
	Match     uint64 `json:"match,omitempty"`
	LastIndex uint64 `json:"last_index,omitempty"`
	LastTerm  uint64 `json:"last_term,omitempty"`

	// Of a chunk of a snapshot (PrevIndex and PrevTerm are the last entry the
	// snapshot stands for) where its bytes belong, how many they are, and whether
	// they are the last; of its answer where the next ones belong and whether the
	// follower has all of it.
	Offset int64 `json:"offset,omitempty"`
	Data   int   `json:"data_bytes,omitempty"`
	Done   bool  `json:"done,omitempty"`
}

// Log is a node's log, or a part of it.
type Log struct {
	Schema     string     `json:"schema"`
	Node       int        `json:"node"`
	FirstIndex uint64     `json:"first_index"` // of Entries; 0 when empty
	LastIndex  uint64     `json:"last_index"`  // of the whole log
	Commit     uint64     `json:"commit"`
	Source     string     `json:"source"` // node, or disk for a node that is dead or paused
	Entries    []LogEntry `json:"entries"`

	Base          uint64 `json:"base"`           // the log holds the entries behind it; 0 until some are dropped
	SnapshotIndex uint64 `json:"snapshot_index"` // of the snapshot that stands for those up to Base, and maybe more; 0 for none
	SnapshotTerm  uint64 `json:"snapshot_term"`
}

// LogEntry is one entry of a log.
type LogEntry struct {
	Index   uint64 `json:"index"`
	Term    uint64 `json:"term"`
	Kind    string `json:"kind"`
	Command string `json:"command"`
}

// Dump is a node's state machine.
type Dump struct {
	Node    int        `json:"node"`
	Applied uint64     `json:"applied"`
	Pairs   []DumpPair `json:"pairs"`
}

// DumpPair is one key, and the index that set it.
type DumpPair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Index uint64 `json:"index"`
}

// Config is what a lab is made with. Two labs with equal Config are the same lab.
type Config struct {
	Nodes       int           `json:"nodes"`
	Profile     string        `json:"profile"` // lan or classroom; already expanded into the fields below
	Heartbeat   time.Duration `json:"heartbeat"`
	ElectionMin time.Duration `json:"election_min"`
	ElectionMax time.Duration `json:"election_max"`
	Delay       time.Duration `json:"delay"`  // of every link at the start
	Jitter      time.Duration `json:"jitter"` // of every link at the start
	PreVote     bool          `json:"pre_vote"`
	CheckQuorum bool          `json:"check_quorum"`
	IgnoreVotes bool          `json:"ignore_votes"`
	Transfer    bool          `json:"transfer"`
	Unsafe      []string      `json:"unsafe,omitempty"` // names of raft.UnsafeRules, sorted as listed there
	// SnapshotBytes is how large a node's log may grow before it takes a snapshot; 0 is never.
	SnapshotBytes int64            `json:"snapshot_bytes"`
	Speed         float64          `json:"speed"`
	Seed          uint64           `json:"seed"`              // 0: draw one
	Preload       map[int][]uint64 `json:"preload,omitempty"` // the terms of each node's log
	Terms         map[int]uint64   `json:"terms,omitempty"`   // a node's currentTerm, when more than its last entry's
	Listen        string           `json:"listen,omitempty"`  // also serve the control API here, with a token
}

// Op is one thing asked of a lab. Which fields count depends on Verb; words for
// nodes (3, S3, leader, followers, dead, random, all) and links ("1 2", "1 to 2",
// "1", "all") are resolved by the lab when it acts.
type Op struct {
	Verb    string        `json:"verb"` // kill restart pause resume wipe elect add remove members transfer snapshot partition cut slow lose heal hold release speed load note
	Nodes   []string      `json:"nodes,omitempty"`
	Sides   [][]string    `json:"sides,omitempty"` // partition
	Links   []string      `json:"links,omitempty"` // cut, slow, lose, heal: the words of LINKS
	Delay   time.Duration `json:"delay,omitempty"`
	Jitter  time.Duration `json:"jitter,omitempty"`
	Loss    float64       `json:"loss,omitempty"`    // share, 0 to 1
	Rate    float64       `json:"rate,omitempty"`    // speed; load: operations/s
	All     bool          `json:"all,omitempty"`     // heal --all: delays and losses too
	Learner bool          `json:"learner,omitempty"` // add: without a vote
	NoWait  bool          `json:"no_wait,omitempty"` // add, remove, members: return when the change has begun
	Timeout time.Duration `json:"timeout,omitempty"` // add, remove, members, transfer: lab time to wait for the change; 0 is 30 s
	Clients int           `json:"clients,omitempty"` // load
	Keys    int           `json:"keys,omitempty"`    // load
	For     time.Duration `json:"for,omitempty"`     // load, lab time; 0 is until stopped
	Stop    bool          `json:"stop,omitempty"`    // load
	Text    string        `json:"text,omitempty"`    // note
	Line    string        `json:"line,omitempty"`    // the command line as its writer typed it
}

// OpResult is what came of an Op.
type OpResult struct {
	Text  string   `json:"text"`            // one line: what is now so
	Notes []string `json:"notes,omitempty"` // what else the writer should know
	Nodes []int    `json:"nodes,omitempty"` // the nodes it was about
	Event uint64   `json:"event"`           // the id of the event it made, 0 when nothing changed
}

// KVOp is a client operation through the lab's gateway.
type KVOp struct {
	Op      string        `json:"op"` // put get del cas incr
	Key     string        `json:"key"`
	Value   string        `json:"value,omitempty"`
	Old     string        `json:"old,omitempty"`
	Node    string        `json:"node,omitempty"` // ask this node; a follower sends a write on to its leader
	Read    string        `json:"read,omitempty"` // get: log (default), index, lease or stale
	Timeout time.Duration `json:"timeout"`        // real time
	Line    string        `json:"line,omitempty"`
}

// KVResult answers a KVOp.
type KVResult struct {
	Key    string  `json:"key"`
	Value  string  `json:"value"`
	Found  bool    `json:"found"`
	Index  uint64  `json:"index"`
	Term   uint64  `json:"term"`
	Leader int     `json:"leader,omitempty"`
	Node   int     `json:"node,omitempty"`
	TookMS float64 `json:"took_ms"`
}

// Wait asks for a condition over the status (see package cond). With neither
// Within nor For it must hold now.
type Wait struct {
	Cond    string        `json:"cond"`
	Within  time.Duration `json:"within,omitempty"`  // lab time: comes true
	For     time.Duration `json:"for,omitempty"`     // lab time: stays true
	Timeout time.Duration `json:"timeout,omitempty"` // real time: comes true
}

// WaitResult tells how a Wait ended. Seen is the part of the status that the
// condition speaks of, in words, when it does not hold.
type WaitResult struct {
	Holds bool   `json:"holds"`
	Seen  string `json:"seen,omitempty"`
	LabNS int64  `json:"lab_ns"`
}

// Update is one step of the stream: first a whole Status, then what changed.
// A reader that falls behind is sent a Status again instead of a backlog.
type Update struct {
	Status *Status      `json:"status,omitempty"` // replaces everything known
	Lab    *LabChange   `json:"lab,omitempty"`
	Nodes  []NodeStatus `json:"nodes,omitempty"` // replace those of the same id
	Links  []LinkStatus `json:"links,omitempty"` // replace those of the same ends
	Gone   []int        `json:"gone,omitempty"`  // nodes that were removed, with all their links
	Events []Event      `json:"events,omitempty"`
	Frames []Frame      `json:"frames,omitempty"` // new ones, and again when they arrive or drop
	Hidden uint64       `json:"hidden,omitempty"` // frames left out since the last update, to keep up
	Missed uint64       `json:"missed,omitempty"` // events left out: still in the store, ask for them
}

// LabChange is the part of Status that is of the lab as a whole.
type LabChange struct {
	Term       uint64       `json:"term"`
	Leader     int          `json:"leader"`
	Commit     uint64       `json:"commit"`
	Quorum     int          `json:"quorum"`
	Config     ConfigStatus `json:"config"`
	Clock      ClockStatus  `json:"clock"`
	Partition  [][]int      `json:"partition"`
	Load       *LoadStatus  `json:"load,omitempty"`
	LoadLast   *LoadStatus  `json:"load_last,omitempty"`
	Violations []Violation  `json:"violations"`
	LastEvent  uint64       `json:"last_event"`
}

// Apply folds u into s. It replaces elements and never writes through what u
// or an earlier Update brought, so a shallow copy of s with cloned Nodes and
// Links stays as it is.
func (s *Status) Apply(u Update) {
	if u.Status != nil {
		*s = *u.Status
		s.Nodes, s.Links = slices.Clone(s.Nodes), slices.Clone(s.Links)
	}
	if c := u.Lab; c != nil {
		s.Term, s.Leader, s.Commit, s.Quorum, s.Config = c.Term, c.Leader, c.Commit, c.Quorum, c.Config
		s.Clock, s.Partition, s.Load, s.LoadLast = c.Clock, c.Partition, c.Load, c.LoadLast
		s.Violations, s.LastEvent = c.Violations, c.LastEvent
	}
	if len(u.Gone) > 0 {
		s.Nodes = slices.DeleteFunc(s.Nodes, func(n NodeStatus) bool { return slices.Contains(u.Gone, n.ID) })
		s.Links = slices.DeleteFunc(s.Links, func(l LinkStatus) bool {
			return slices.Contains(u.Gone, l.From) || slices.Contains(u.Gone, l.To)
		})
	}
	for _, n := range u.Nodes {
		i, found := slices.BinarySearchFunc(s.Nodes, n.ID, func(m NodeStatus, id int) int { return cmp.Compare(m.ID, id) })
		if found {
			s.Nodes[i] = n
		} else {
			s.Nodes = slices.Insert(s.Nodes, i, n)
		}
	}
	for _, l := range u.Links {
		i, found := slices.BinarySearchFunc(s.Links, l, func(a, b LinkStatus) int {
			return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
		})
		if found {
			s.Links[i] = l
		} else {
			s.Links = slices.Insert(s.Links, i, l)
		}
	}
	if n := len(u.Events); n > 0 {
		s.LastEvent = max(s.LastEvent, u.Events[n-1].ID)
	}
}

// StreamOptions says what a stream carries beside the status and the events.
type StreamOptions struct {
	Frames  bool `json:"frames,omitempty"`   // the frames in the network too
	EveryMS int  `json:"every_ms,omitempty"` // at most one update in so many milliseconds of real time; 0 is 50
}

// EventQuery picks events from the store.
type EventQuery struct {
	After   uint64 `json:"after,omitempty"`    // only those with a higher id
	SinceNS int64  `json:"since_ns,omitempty"` // only those at or after this lab time
	Limit   int    `json:"limit,omitempty"`    // the newest so many, oldest first; 0 is all
}

// Info is one lab of this machine, as `raftlab ls` lists them.
type Info struct {
	Name    string    `json:"name"`
	Dir     string    `json:"dir"`
	Running bool      `json:"running"`
	Pid     int       `json:"pid"` // of the lab process, 0 when not running
	Nodes   int       `json:"nodes"`
	Started time.Time `json:"started"`
	Unsafe  []string  `json:"unsafe,omitempty"` // the rules of Raft it runs without
	Note    string    `json:"note,omitempty"`   // "its process is gone: stopped without `down`"
}
