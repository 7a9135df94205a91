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
	Engine     string       `json:"engine"` // EngineProcess or EngineSim
	Version    string       `json:"version"`
	Seed       uint64       `json:"seed"`
	Profile    string       `json:"profile"`
	Term       uint64       `json:"term"`   // the highest any node has
	Leader     int          `json:"leader"` // of the highest term with one, 0 when there is none
	Quorum     int          `json:"quorum"`
	Commit     uint64       `json:"commit"` // the highest any node knows
	Clock      ClockStatus  `json:"clock"`
	Timing     Timing       `json:"timing"`
	Restart    string       `json:"restart_policy"` // of nodes that end by themselves: never, on-failure
	Partition  [][]int      `json:"partition"`      // [] when whole
	Unsafe     []string     `json:"unsafe"`
	Nodes      []NodeStatus `json:"nodes"` // ascending by ID
	Links      []LinkStatus `json:"links"` // ascending by From, To
	Config     ConfigStatus `json:"config"`
	Load       *LoadStatus  `json:"load,omitempty"`      // while background writes run
	LoadLast   *LoadStatus  `json:"load_last,omitempty"` // how those came out that ran last
	Violations []Violation  `json:"violations"`
	LastEvent  uint64       `json:"last_event"` // the status includes all events up to this id

	Faults []FaultStatus `json:"faults"`         // what is set on the network, in the order it was set
	Undo   string        `json:"undo,omitempty"` // what undo would take back: the command line, or what it did

	Breaks []BreakStatus `json:"breaks,omitempty"` // the breakpoints, in the order they were set
	Chaos  *ChaosStatus  `json:"chaos,omitempty"`  // while a nemesis is at work

	// Linearizability is how what clients were told stands (§8), nil before any of
	// it was judged. While the clock is held it does not change.
	Linearizability *Standing `json:"linearizability,omitempty"`
}

// Standing is how the history of the lab's clients stands; a check tells all of it.
type Standing struct {
	Verdict      string `json:"verdict"` // check.VerdictOK and others
	Judged       uint64 `json:"judged"`  // operations
	NotJudged    uint64 `json:"not_judged"`
	LastJudgedNS int64  `json:"last_judged_ns"` // lab time of the last answer that was judged
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
	// Driven: it is a simulated lab's and stands while nobody waits for anything.
	Driven bool `json:"driven,omitempty"`
	// Break is the breakpoint that holds the clock, since nobody has released it
	// or gone a step on; nil when none does.
	Break *BreakHit `json:"break,omitempty"`
}

// BreakHit is a breakpoint that has held the clock.
type BreakHit struct {
	ID    uint64 `json:"id"`
	Cond  string `json:"cond"`
	Seen  string `json:"seen"` // what was so, in words
	LabNS int64  `json:"lab_ns"`
}

// BreakStatus is one breakpoint: the clock is held when its condition comes true.
type BreakStatus struct {
	ID    uint64    `json:"id"`
	Cond  string    `json:"cond"` // the name of one that is known by name, or a condition as Wait's
	About string    `json:"about,omitempty"`
	Holds bool      `json:"holds"` // it is true now, and has to come true anew
	Hits  uint64    `json:"hits"`
	Last  *BreakHit `json:"last,omitempty"`
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

	Disk      *DiskStatus `json:"disk,omitempty"`       // what is wrong with its disk
	Forgot    string      `json:"forgot,omitempty"`     // what it lacked, when it was started, of what it had said is on its disk
	ClockRate float64     `json:"clock_rate"`           // of its own clock, beside the lab's
	SkewNS    int64       `json:"skew_ns"`              // how far its own clock is ahead of the lab's
	RestartNS int64       `json:"restart_ns,omitempty"` // lab time at which it is restarted by itself
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
// that nothing passes, by `cut` or `blackhole`; Wall that a partition stands
// between its ends. The figures are of what is set for all frames; Set tells in
// words also of what is set for some of them.
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
	FlightNS  int64   `json:"flight_ns"` // median of the last frames delivered under these rules, lab time; 0 when none
	OnHold    int     `json:"on_hold"`   // those of Held that wait until somebody lets them go
	Copies    uint64  `json:"copies"`    // frames that the network made: duplicates, and those sent once more by hand
	Set       string  `json:"set"`       // what is set on it, in the words of the command line
}

// FaultStatus is one thing that is set on the network.
type FaultStatus struct {
	ID    int      `json:"id"`   // as the words of a command line it is f3
	Verb  string   `json:"verb"` // what set it: cut, slow, lose, duplicate, reorder, corrupt, throttle, reset, blackhole, frame hold, partition
	Line  string   `json:"line,omitempty"`
	Text  string   `json:"text"`            // what it is, in the words of the command line, without the links
	Links [][2]int `json:"links"`           // from and to of each directed link where it is in force; ascending
	Nodes []int    `json:"nodes,omitempty"` // of a disk's or a clock's, whose it is
	Match Match    `json:"match"`           // the frames it is for

	DelayMS      float64 `json:"delay_ms,omitempty"` // slow; duplicate: until the second one arrives; reorder: how much longer a frame takes
	JitterMS     float64 `json:"jitter_ms,omitempty"`
	Distribution string  `json:"distribution,omitempty"` // of delays; "" is uniform; of a table delay_ms and jitter_ms are mean and deviation
	Share        float64 `json:"share,omitempty"`        // of the frames, 0 to 1
	Burst        float64 `json:"burst,omitempty"`        // lose: mean number of frames lost in a row; throttle: bytes that may go at once
	RateBytes    int64   `json:"rate_bytes,omitempty"`
	Sides        [][]int `json:"sides,omitempty"`

	SetNS   int64  `json:"set_ns"`   // lab time at which it was set
	UntilNS int64  `json:"until_ns"` // lab time at which it ends by itself; 0 is never
	Seen    uint64 `json:"seen"`     // frames it was for
	Hits    uint64 `json:"hits"`     // those of them it did something to
}

// Match limits a fault to some of a link's frames. What is left out limits
// nothing.
type Match struct {
	// Kinds are names of kinds of frames, as Frame.Kind has them, and words for
	// several: KindWords.
	Kinds []string `json:"kinds,omitempty"`
	Way   string   `json:"way,omitempty"`   // request or reply
	Term  uint64   `json:"term,omitempty"`  // the sender's
	From  uint64   `json:"from,omitempty"`  // only frames about an entry from From to To
	To    uint64   `json:"to,omitempty"`    // 0 is no end
	Next  uint64   `json:"next,omitempty"`  // only the next so many of these, on each link
	Every uint64   `json:"every,omitempty"` // only one in so many of these
	Prob  float64  `json:"prob,omitempty"`  // each of these with this probability, 0 to 1
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
	Property string   `json:"property"` // LeaderCompleteness
	Name     string   `json:"name"`     // Leader Completeness
	Term     uint64   `json:"term"`
	Index    uint64   `json:"index"` // 0: it is about no entry
	Nodes    []int    `json:"nodes"`
	LabNS    int64    `json:"lab_ns"`
	Message  string   `json:"message"`         // the property in the paper's words, and Text
	Text     string   `json:"text"`            // both sides of the contradiction
	Frame    uint64   `json:"frame,omitempty"` // that showed it
	Event    uint64   `json:"event"`           // the event that tells of it
	Before   []uint64 `json:"before"`          // events that may have led to it, oldest first

	rule string // where the promise stands, for the event
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
	EventBreak     = "break"     // a breakpoint was set, taken away, or has held the clock
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

	Held     bool   `json:"held,omitempty"`     // it waits until somebody lets it go
	Fault    int    `json:"fault,omitempty"`    // the fault that dropped it or holds it
	Corrupt  bool   `json:"corrupt,omitempty"`  // a byte of it is changed on the way
	CopyOf   uint64 `json:"copy_of,omitempty"`  // the frame that it repeats, when the network made it
	Injected bool   `json:"injected,omitempty"` // somebody had it sent once more

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
	Profile     string        `json:"profile"` // its name, or its file's; already expanded into the fields below
	Heartbeat   time.Duration `json:"heartbeat"`
	ElectionMin time.Duration `json:"election_min"`
	ElectionMax time.Duration `json:"election_max"`
	Delay       time.Duration `json:"delay"`  // of every link at the start
	Jitter      time.Duration `json:"jitter"` // of every link at the start
	// What else is so of every link at the start. Regions are where the nodes are,
	// in turn: what Delay adds to the time between them.
	Distribution string   `json:"distribution,omitempty"` // of the delay, as link.ParseDistribution knows it
	Loss         float64  `json:"loss,omitempty"`         // share, 0 to 1
	Burst        float64  `json:"burst,omitempty"`        // frames lost one after the other, on average
	Duplicate    float64  `json:"duplicate,omitempty"`    // share, 0 to 1
	Reorder      float64  `json:"reorder,omitempty"`      // share, 0 to 1
	Regions      []string `json:"regions,omitempty"`
	// Start is what is done before the nodes are started: faults that are there when
	// the first of them stands for election.
	Start       []Op     `json:"start,omitempty"`
	PreVote     bool     `json:"pre_vote"`
	CheckQuorum bool     `json:"check_quorum"`
	IgnoreVotes bool     `json:"ignore_votes"`
	Transfer    bool     `json:"transfer"`
	Unsafe      []string `json:"unsafe,omitempty"` // names of raft.UnsafeRules, sorted as listed there
	// SnapshotBytes is how large a node's log may grow before it takes a snapshot; 0 is never.
	SnapshotBytes int64 `json:"snapshot_bytes"`
	// RestartPolicy is what becomes of nodes that end by themselves: PolicyNever, also
	// when it is empty, or PolicyOnFailure.
	RestartPolicy string           `json:"restart_policy,omitempty"`
	Speed         float64          `json:"speed"`
	Seed          uint64           `json:"seed"`              // 0: draw one
	Preload       map[int][]uint64 `json:"preload,omitempty"` // the terms of each node's log
	Terms         map[int]uint64   `json:"terms,omitempty"`   // a node's currentTerm, when more than its last entry's
	Listen        string           `json:"listen,omitempty"`  // also serve the control API here, with a token
	// Sim makes it a lab that is simulated, in virtual time: SimPaced or SimDriven;
	// empty for one of processes.
	Sim string `json:"sim,omitempty"`
}

// Op is one thing asked of a lab. Which fields count depends on Verb; words for
// nodes (3, S3, leader, followers, dead, random, all) and links ("1 2", "1 to 2",
// "1", "all") are resolved by the lab when it acts.
type Op struct {
	Verb    string        `json:"verb"` // kill restart stop pause resume wipe disk clock elect add remove members transfer snapshot partition cut slow lose duplicate reorder corrupt throttle reset blackhole frame heal undo hold release speed step break load note chaos
	Nodes   []string      `json:"nodes,omitempty"`
	Sides   [][]string    `json:"sides,omitempty"` // partition
	Links   []string      `json:"links,omitempty"` // heal, frame, and what sets a fault on links: the words of LINKS
	Delay   time.Duration `json:"delay,omitempty"`
	Jitter  time.Duration `json:"jitter,omitempty"`
	Loss    float64       `json:"loss,omitempty"`    // share, 0 to 1
	Rate    float64       `json:"rate,omitempty"`    // speed; load: operations/s
	All     bool          `json:"all,omitempty"`     // heal: all that is set; frame: all that are held
	Learner bool          `json:"learner,omitempty"` // add: without a vote
	NoWait  bool          `json:"no_wait,omitempty"` // add, remove, members: return when the change has begun
	Await   bool          `json:"await,omitempty"`   // load, chaos: return when it is over
	Timeout time.Duration `json:"timeout,omitempty"` // add, remove, members, transfer: lab time to wait for the change; 0 is 30 s
	Clients int           `json:"clients,omitempty"` // load
	Keys    int           `json:"keys,omitempty"`    // load
	For     time.Duration `json:"for,omitempty"`     // load, and what sets a fault: lab time; 0 is until stopped
	Stop    bool          `json:"stop,omitempty"`    // load; break: take it away
	Count   int           `json:"count,omitempty"`   // step: how many; 0 is one, or with Until as many as it takes
	Until   string        `json:"until,omitempty"`   // step: a condition at which to stop
	Cond    string        `json:"cond,omitempty"`    // break: a name or a condition
	ID      uint64        `json:"id,omitempty"`      // break with Stop: which; 0 is all
	Chaos   *ChaosOptions `json:"chaos,omitempty"`   // chaos; nil is all of it chosen by the lab
	Text    string        `json:"text,omitempty"`    // note
	Disk    string        `json:"disk,omitempty"`    // disk: ok, slow (Delay, Jitter), fail, lie, full, torn, flip
	Index   uint64        `json:"index,omitempty"`   // disk flip: in this entry
	Offset  *int64        `json:"offset,omitempty"`  // disk flip: in this byte,
	File    string        `json:"file,omitempty"`    // of this file of the node's; "" is the log's last
	Action  string        `json:"action,omitempty"`  // clock: rate (Rate), skew (Skew), ok; frame: hold, release, drop, inject
	Skew    time.Duration `json:"skew,omitempty"`    // clock, with Action skew: how far ahead of the lab's
	Rolling bool          `json:"rolling,omitempty"` // restart: one after the other, when the one before is back
	Policy  string        `json:"policy,omitempty"`  // restart without Nodes: never or on-failure, from now on
	Line    string        `json:"line,omitempty"`    // the command line as its writer typed it
	At      string        `json:"-"`                 // FILE:LINE, where it stands in a file that was read here

	// What sets a fault on links, and heal and frame. Delay is also how much later
	// the second of two duplicates comes, and how much longer a frame takes that is
	// out of order.
	Match        *Match `json:"match,omitempty"`        // only for these frames; nil is for all
	Distribution string `json:"distribution,omitempty"` // slow: uniform, which is also "", normal, exponential, pareto or table
	// Table is, for slow with the distribution table, what delays are drawn from,
	// each as likely as any other. Delay and Jitter are 0 then.
	Table []time.Duration `json:"table,omitempty"`
	Share float64         `json:"share,omitempty"` // duplicate, reorder, corrupt: 0 to 1
	Burst float64         `json:"burst,omitempty"` // lose: mean number of frames lost in a row; throttle: bytes that may go at once
	Bytes int64           `json:"bytes,omitempty"` // throttle: in a second of lab time
	Fault int             `json:"fault,omitempty"` // heal: only this one
	Frame uint64          `json:"frame,omitempty"` // frame: its id

	noUndo bool // undo takes no note of it: whoever does it undoes it himself
}

// OpResult is what came of an Op.
type OpResult struct {
	Text  string   `json:"text"`            // one line: what is now so
	Notes []string `json:"notes,omitempty"` // what else the writer should know
	Nodes []int    `json:"nodes,omitempty"` // the nodes it was about
	Event uint64   `json:"event"`           // the id of the event it made, 0 when nothing changed
	Fault int      `json:"fault,omitempty"` // the number of the fault it set

	Rolled []Rolled `json:"rolled,omitempty"` // restart with Rolling: how each step went

	Steps []Step      `json:"steps,omitempty"` // step: what each was
	Until *WaitResult `json:"until,omitempty"` // step: how the condition is after the last
	Break *BreakHit   `json:"break,omitempty"` // step: the breakpoint at which it stopped
}

// The kinds of steps.
const (
	StepTimer   = "timer"   // a node's timer runs out
	StepFrame   = "frame"   // the network hands a frame over, or drops it where it was to arrive
	StepMessage = "message" // a node takes in what had come to it before the clock was held
	StepDisk    = "disk"    // a node hears what its disk has done meanwhile
	StepRequest = "request" // a node takes a client's request in
)

// Step is one step of a held lab: one thing that happened, and what came of it.
type Step struct {
	LabNS  int64   `json:"lab_ns"`
	Kind   string  `json:"kind"`
	Node   int     `json:"node"`            // who took it in
	Peer   int     `json:"peer,omitempty"`  // of a frame or message, whose it is
	Timer  string  `json:"timer,omitempty"` // election, heartbeat, retry, tell, quorum, read, transfer
	Frame  *Frame  `json:"frame,omitempty"`
	Text   string  `json:"text"`   // "append 44 from S1 reaches S3"
	Events []Event `json:"events"` // what came of it
	Sent   int     `json:"sent"`   // frames that the node gave to the network
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
	Restart    string       `json:"restart_policy"`
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

	Faults []FaultStatus `json:"faults"`
	Undo   string        `json:"undo,omitempty"`

	Breaks []BreakStatus `json:"breaks,omitempty"`
	Chaos  *ChaosStatus  `json:"chaos,omitempty"`

	Linearizability *Standing `json:"linearizability,omitempty"`
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
		s.Restart = c.Restart
		s.Faults, s.Undo = c.Faults, c.Undo
		s.Violations, s.LastEvent, s.Breaks = c.Violations, c.LastEvent, c.Breaks
		s.Chaos, s.Linearizability = c.Chaos, c.Linearizability
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
