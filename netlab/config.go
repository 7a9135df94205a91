package netlab

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// snapshotBytes is at which size of its log a node takes a snapshot, unless
// somebody says otherwise: a second or two of entries to read at a start.
const snapshotBytes = 64 << 20

// The bounds of what a Config may say.
const (
	SpeedMin = 0.001
	SpeedMax = 1000

	timeoutMax = time.Hour
	// SnapshotBytesMin and SnapshotBytesMax bound the size at which a log is
	// folded. A snapshot for every few entries is no use to anybody.
	SnapshotBytesMin = 16 << 10
	SnapshotBytesMax = 1 << 40

	preloadMax     = 1000    // entries of a preloaded log
	preloadTermMax = 1 << 32 // terms a lab starts in
)

// The ways a simulated lab passes its time.
const (
	SimPaced  = "paced"  // as the lab clock runs
	SimDriven = "driven" // only while somebody waits for something, and then as fast as it can
)

// Validate says what is wrong with c, as an *Error of code 2.
func (c *Config) Validate() error {
	switch {
	case c.Nodes < 1 || c.Nodes > NodesMax:
		return Errorf(ExitUsage, "a lab has 1 to %d nodes, not %d: each is a process, and every two have a link each way", NodesMax, c.Nodes).
			WithHint("raftlab up -n 5")
	case c.validateTimers() != nil:
		return c.validateTimers()
	case c.Speed < SpeedMin || c.Speed > SpeedMax || c.Speed != c.Speed:
		return speedError(c.Speed)
	case c.RestartPolicy != "" && policyError(c.RestartPolicy) != nil:
		return policyError(c.RestartPolicy)
	case c.Sim != "" && c.Sim != SimPaced && c.Sim != SimDriven:
		return Errorf(ExitUsage, "there is no way to simulate a lab called %s", quote(c.Sim)).WithHint("%s, %s", SimPaced, SimDriven)
	case c.SnapshotBytes != 0 && (c.SnapshotBytes < SnapshotBytesMin || c.SnapshotBytes > SnapshotBytesMax):
		return Errorf(ExitUsage, "a node takes a snapshot when its log has %d bytes to %d, not at %d", SnapshotBytesMin, int64(SnapshotBytesMax), c.SnapshotBytes).
			WithHint(`"raftlab up --snapshot-size 64MiB", with 0 never; "raftlab snapshot NODE" takes one at any time`)
	}
	for _, name := range c.Unsafe {
		if _, err := raft.ParseUnsafe(name); err != nil {
			return Errorf(ExitUsage, "there is no unsafe rule %s", quote(name)).WithHint("raftlab up --unsafe help")
		}
	}
	if err := c.validateLinks(); err != nil {
		return err
	}
	if err := c.validateStart(); err != nil {
		return err
	}
	if err := c.validateLogs(); err != nil {
		return err
	}
	if c.Listen != "" {
		_, port, err := net.SplitHostPort(c.Listen)
		if err == nil && port != "" {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil || port == "" {
			return Errorf(ExitUsage, "%s is no address to listen on", quote(c.Listen)).WithHint("raftlab up --listen 127.0.0.1:7070")
		}
	}
	return nil
}

// validateTimers checks heartbeat and election timeout.
func (c *Config) validateTimers() error {
	switch {
	case c.Heartbeat <= 0:
		return Errorf(ExitUsage, "the heartbeat must be longer than 0, not %v", c.Heartbeat).WithHint("raftlab up --heartbeat 50ms")
	case c.ElectionMax < c.ElectionMin:
		return Errorf(ExitUsage, "the election timeout %v-%v ends before it begins", c.ElectionMin, c.ElectionMax).
			WithHint("raftlab up --election 150ms-300ms")
	case c.Heartbeat >= c.ElectionMin:
		return Errorf(ExitUsage, "the heartbeat (%v) must be shorter than the shortest election timeout (%v): followers would stand for election between two heartbeats (§5.6)", c.Heartbeat, c.ElectionMin).
			WithHint("raftlab up --heartbeat 50ms --election 150ms-300ms")
	case c.ElectionMax > timeoutMax:
		return Errorf(ExitUsage, "an election timeout is %v at most, not %v", timeoutMax, c.ElectionMax)
	}
	return nil
}

// validateLogs checks Preload and Terms.
func (c *Config) validateLogs() error {
	for _, id := range slices.Sorted(maps.Keys(c.Preload)) {
		terms := c.Preload[id]
		if id < 1 || id > c.Nodes {
			return c.noSuchNode("--preload", id)
		}
		if len(terms) > preloadMax {
			return Errorf(ExitUsage, "the log preloaded for S%d has %d entries, %d is the most", id, len(terms), preloadMax)
		}
		before := uint64(1)
		for i, t := range terms {
			if t < 1 || t > preloadTermMax {
				return Errorf(ExitUsage, "the log preloaded for S%d has term %d at index %d: terms are 1 to %d", id, t, i+1, uint64(preloadTermMax))
			}
			if t < before {
				return Errorf(ExitUsage, "the log preloaded for S%d goes from term %d back to %d at index %d: terms never fall along a log (§5.3)", id, before, t, i+1).
					WithHint("raftlab up --preload '1=1114455666 2=111445566'")
			}
			before = t
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.Terms)) {
		if id < 1 || id > c.Nodes {
			return c.noSuchNode("--terms", id)
		}
		term, log := c.Terms[id], c.Preload[id]
		if term < 1 || term > preloadTermMax {
			return Errorf(ExitUsage, "--terms gives S%d term %d: terms are 1 to %d", id, term, uint64(preloadTermMax))
		}
		if len(log) > 0 && term < log[len(log)-1] {
			return Errorf(ExitUsage, "--terms gives S%d term %d, but its log ends in term %d: a server's term is never older than its log (§5.1)", id, term, log[len(log)-1])
		}
	}
	return nil
}

func (c *Config) noSuchNode(flag string, id int) *Error {
	return Errorf(ExitUsage, "%s names node %d, but this lab has nodes 1 to %d", flag, id, c.Nodes).WithHint("raftlab up -n %d", min(max(id, 1), NodesMax))
}

func speedError(rate float64) *Error {
	return Errorf(ExitUsage, "the lab clock runs at %g to %g times real time, not %g", float64(SpeedMin), float64(SpeedMax), rate).
		WithHint(`"raftlab speed 0.1" is slow motion, "raftlab hold" stops it`)
}

func delayError(delay, jitter time.Duration) error {
	const most = time.Duration(link.DelayMax)
	switch {
	case delay < 0 || delay > most:
		return Errorf(ExitUsage, "a link's delay is 0 to %v, not %v", shortTime(most), delay).WithHint("raftlab slow 1 20ms")
	case jitter < 0 || jitter > most:
		return Errorf(ExitUsage, "a link's jitter is 0 to %v, not %v", shortTime(most), jitter).WithHint("raftlab slow 1 20ms~5ms")
	}
	return nil
}

// withSeed returns c with a seed drawn when it asks for one.
func (c Config) withSeed() Config {
	for c.Seed == 0 {
		c.Seed = rand.Uint64() >> 11 // exact in every JSON reader
	}
	return c
}

// settled returns c with what its unsafe rules mean for other settings, and
// with these in the order of [raft.UnsafeRules], each once.
func (c Config) settled() Config {
	if c.RestartPolicy == "" {
		c.RestartPolicy = PolicyNever
	}
	c.Start = slices.Clone(c.Start)
	for i := range c.Start {
		c.Start[i].At = ""
	}
	named := c.Unsafe
	c.Unsafe = nil
	for _, r := range raft.UnsafeRules() {
		if !slices.Contains(named, r.Name) {
			continue
		}
		c.Unsafe = append(c.Unsafe, r.Name)
		switch r.Rule {
		case raft.UnsafeNoPreVote:
			c.PreVote = false
		case raft.UnsafeNoCheckQuorum:
			c.CheckQuorum = false
		}
	}
	return c
}

// unsafeText says which of Raft's rules are switched off, "" when none is.
func (c *Config) unsafeText() string {
	if len(c.Unsafe) == 0 {
		return ""
	}
	var each []string
	for _, r := range raft.UnsafeRules() {
		if slices.Contains(c.Unsafe, r.Name) {
			each = append(each, fmt.Sprintf("%s: %s, against %s; %s is in danger", r.Name, r.Breaks, r.Section, r.Endangers))
		}
	}
	return strings.Join(each, ". ")
}

// sameAs tells whether a lab made with running is what c asks for. A drawn
// seed is as good as any other.
func (c Config) sameAs(running Config) bool {
	c, running = c.settled(), running.settled()
	if c.Seed == 0 {
		c.Seed = running.Seed
	}
	if len(c.Preload) == 0 && len(running.Preload) == 0 {
		c.Preload, running.Preload = nil, nil
	}
	if len(c.Terms) == 0 && len(running.Terms) == 0 {
		c.Terms, running.Terms = nil, nil
	}
	return reflect.DeepEqual(c, running)
}

// difference names the first setting in which a lab made with running is not
// what c asks for, for the sentence of a conflict.
func (c Config) difference(running Config) string {
	switch {
	case c.Nodes != running.Nodes:
		return fmt.Sprintf("it has %d nodes, not %d", running.Nodes, c.Nodes)
	case c.Sim != running.Sim:
		kind := func(sim string) string {
			switch sim {
			case "":
				return "a lab of processes"
			case SimDriven:
				return "simulated, its time standing while nobody waits"
			}
			return "simulated"
		}
		return fmt.Sprintf("it is %s, not %s", kind(running.Sim), kind(c.Sim))
	case c.Profile != running.Profile:
		return fmt.Sprintf("its profile is %s, not %s", running.Profile, c.Profile)
	case c.Heartbeat != running.Heartbeat:
		return fmt.Sprintf("its heartbeat is %v, not %v", running.Heartbeat, c.Heartbeat)
	case c.ElectionMin != running.ElectionMin || c.ElectionMax != running.ElectionMax:
		return fmt.Sprintf("its election timeout is %v-%v, not %v-%v", running.ElectionMin, running.ElectionMax, c.ElectionMin, c.ElectionMax)
	case c.networkText() != running.networkText():
		return fmt.Sprintf("its links were started with %s, not %s", running.networkText(), c.networkText())
	case !reflect.DeepEqual(c.settled().Start, running.settled().Start):
		return "it was started with other faults"
	case c.Seed != 0 && c.Seed != running.Seed:
		return fmt.Sprintf("its seed is %d, not %d", running.Seed, c.Seed)
	case c.Speed != running.Speed:
		return fmt.Sprintf("it was started at speed %g, not %g", running.Speed, c.Speed)
	case !slices.Equal(c.settled().Unsafe, running.settled().Unsafe):
		return fmt.Sprintf("its unsafe rules are %s, not %s", list(running.settled().Unsafe), list(c.settled().Unsafe))
	case c.PreVote != running.PreVote:
		return "one of the two has PreVote off"
	case c.CheckQuorum != running.CheckQuorum:
		return "one of the two has CheckQuorum off"
	case c.IgnoreVotes != running.IgnoreVotes:
		return "one of the two lets nodes that hear a leader consider requests for votes"
	case c.Transfer != running.Transfer:
		return "one of the two has leadership transfer off"
	case c.SnapshotBytes != running.SnapshotBytes:
		return fmt.Sprintf("its nodes take a snapshot at %s, not %s", snapshotText(running.SnapshotBytes), snapshotText(c.SnapshotBytes))
	case c.settled().RestartPolicy != running.settled().RestartPolicy:
		return fmt.Sprintf("it was started with restart policy %s, not %s", running.settled().RestartPolicy, c.settled().RestartPolicy)
	case c.Listen != running.Listen:
		switch {
		case c.Listen == "":
			return fmt.Sprintf("its control API is served on %s, too", running.Listen)
		case running.Listen == "":
			return fmt.Sprintf("its control API is not served on %s", c.Listen)
		}
		return fmt.Sprintf("its control API is served on %s, not %s", running.Listen, c.Listen)
	}
	return "its logs were preloaded otherwise"
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

func snapshotText(bytes int64) string {
	if bytes == 0 {
		return "no size"
	}
	return sizeText(bytes)
}

// sizeText is a number of bytes as people read it: 17 B, 1.5 KiB, 64 MiB.
func sizeText(bytes int64) string {
	n, unit := float64(bytes), "B"
	for _, u := range []string{"KiB", "MiB", "GiB"} {
		if n < 1<<10 {
			break
		}
		n, unit = n/(1<<10), u
	}
	return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0") + " " + unit
}
