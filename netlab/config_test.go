package netlab

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/clock"
)

func TestConfigSentences(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*Config)
		message string
	}{
		{"the lan profile is good", func(*Config) {}, ""},
		{"one node is a lab", func(c *Config) { c.Nodes = 1 }, ""},
		{"21 are", func(c *Config) { c.Nodes = 21 }, ""},
		{"none is not", func(c *Config) { c.Nodes = 0 }, "a lab has 1 to 21 nodes, not 0"},
		{"a thousand are not", func(c *Config) { c.Nodes = 1000 }, "a lab has 1 to 21 nodes, not 1000"},
		{"a leader has a heartbeat", func(c *Config) { c.Heartbeat = 0 }, "the heartbeat must be longer than 0"},
		{"heartbeats come within an election timeout", func(c *Config) { c.Heartbeat = c.ElectionMin }, "must be shorter than the shortest election timeout"},
		{"a range has its ends in order", func(c *Config) { c.ElectionMax = c.ElectionMin - 1 }, "ends before it begins"},
		{"a range of one value is one", func(c *Config) { c.ElectionMax = c.ElectionMin }, ""},
		{"a timeout is not a day", func(c *Config) { c.ElectionMax = 25 * time.Hour }, "an election timeout is 1h0m0s at most"},
		{"the clock does not stand at the start", func(c *Config) { c.Speed = 0 }, "the lab clock runs at 0.001 to 1000 times real time, not 0"},
		{"nor is its rate no number", func(c *Config) { c.Speed = math.NaN() }, "the lab clock runs at"},
		{"a delay is not negative", func(c *Config) { c.Delay = -1 }, "a link's delay is 0 to"},
		{"a log may be folded never", func(c *Config) { c.SnapshotBytes = 0 }, ""},
		{"but not at every entry", func(c *Config) { c.SnapshotBytes = 100 }, "a node takes a snapshot when its log has 16384 bytes to"},
		{"nor at less than nothing", func(c *Config) { c.SnapshotBytes = -1 }, "not at -1"},
		{"unsafe rules have names", func(c *Config) { c.Unsafe = []string{"vote-twice", "vote-thrice"} }, `there is no unsafe rule "vote-thrice"`},
		{"in any order", func(c *Config) { c.Unsafe = []string{"no-noop", "vote-twice"} }, ""},
		{"an address has a port", func(c *Config) { c.Listen = "localhost" }, `"localhost" is no address to listen on`},
		{"logs may be preloaded", func(c *Config) { c.Preload = map[int][]uint64{1: {1, 1, 4}} }, ""},
		{"terms do not fall along a log", func(c *Config) { c.Preload = map[int][]uint64{2: {1, 4, 3}} }, "goes from term 4 back to 3 at index 3"},
		{"terms start at 1", func(c *Config) { c.Preload = map[int][]uint64{2: {0, 1}} }, "has term 0 at index 1"},
		{"only nodes there are have logs", func(c *Config) { c.Preload = map[int][]uint64{6: {1}} }, "--preload names node 6, but this lab has nodes 1 to 5"},
		{"only nodes there are have terms", func(c *Config) { c.Terms = map[int]uint64{0: 1} }, "--terms names node 0, but this lab has nodes 1 to 5"},
		{"a log is not endless", func(c *Config) { c.Preload = map[int][]uint64{1: make([]uint64, 1001)} }, "has 1001 entries, 1000 is the most"},
		{"a server is not behind its log", func(c *Config) {
			c.Preload, c.Terms = map[int][]uint64{1: {1, 5}}, map[int]uint64{1: 4}
		}, "--terms gives S1 term 4, but its log ends in term 5"},
		{"it may be ahead", func(c *Config) {
			c.Preload, c.Terms = map[int][]uint64{1: {1, 5}}, map[int]uint64{1: 8}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := Profile(ProfileLAN)
			if err != nil {
				t.Fatal(err)
			}
			c.change(&config)
			checkMessage(t, config.Validate(), ExitUsage, c.message)
		})
	}
}

func TestSameConfig(t *testing.T) {
	lan, _ := Profile(ProfileLAN)
	running := lan.withSeed()
	if running.Seed == 0 {
		t.Fatal("no seed was drawn")
	}
	running.Preload, running.Terms = map[int][]uint64{}, nil
	for _, c := range []struct {
		name   string
		change func(*Config)
		differ string // "": the same
	}{
		{"a drawn seed is any", func(*Config) {}, ""},
		{"its own seed is the same", func(c *Config) { c.Seed = running.Seed }, ""},
		{"another is not", func(c *Config) { c.Seed = running.Seed + 1 }, "its seed is"},
		{"nodes count", func(c *Config) { c.Nodes = 3 }, "it has 5 nodes, not 3"},
		{"the heartbeat counts", func(c *Config) { c.Heartbeat++ }, "its heartbeat is"},
		{"timeouts count", func(c *Config) { c.ElectionMax++ }, "its election timeout is"},
		{"the profile counts", func(c *Config) { c.Profile = "classroom" }, "its profile is lan, not classroom"},
		{"the delay counts", func(c *Config) { c.Delay++ }, "its links were started with"},
		{"the speed counts", func(c *Config) { c.Speed = 2 }, "it was started at speed 1, not 2"},
		{"PreVote counts", func(c *Config) { c.PreVote = false }, "PreVote"},
		{"CheckQuorum counts", func(c *Config) { c.CheckQuorum = false }, "CheckQuorum"},
		{"ignoring votes counts", func(c *Config) { c.IgnoreVotes = false }, "consider requests for votes"},
		{"transfer counts", func(c *Config) { c.Transfer = false }, "leadership transfer"},
		{"the size of a snapshot counts", func(c *Config) { c.SnapshotBytes = 1 << 20 }, "its nodes take a snapshot at 64 MiB, not 1 MiB"},
		{"never is another size", func(c *Config) { c.SnapshotBytes = 0 }, "at 64 MiB, not no size"},
		{"unsafe rules count", func(c *Config) { c.Unsafe = []string{"no-noop", "vote-twice"} }, "its unsafe rules are none, not vote-twice no-noop"},
		{"the address counts", func(c *Config) { c.Listen = ":1" }, "its control API is not served on :1"},
		{"logs count", func(c *Config) { c.Preload = map[int][]uint64{1: {1}} }, "its logs were preloaded otherwise"},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := lan
			c.change(&asked)
			if got := asked.sameAs(running); got != (c.differ == "") {
				t.Errorf("sameAs = %v", got)
			}
			if c.differ != "" {
				checkMessage(t, Errorf(ExitConflict, "%s", asked.difference(running)), ExitConflict, c.differ)
			}
		})
	}
}

// Unsafe rules are in raft's order, each once, and switch off what they are
// about.
func TestUnsafeConfig(t *testing.T) {
	config, _ := Profile(ProfileLAN)
	config.Unsafe = []string{"no-check-quorum", "vote-twice", "no-pre-vote", "vote-twice"}
	got := config.settled()
	if want := []string{"vote-twice", "no-pre-vote", "no-check-quorum"}; !slices.Equal(got.Unsafe, want) || got.PreVote || got.CheckQuorum || !got.IgnoreVotes {
		t.Errorf("settled as %+v", got)
	}
	if !config.PreVote || !config.CheckQuorum || len(config.Unsafe) != 4 {
		t.Errorf("the one it was made of is %+v now", config)
	}
	if !config.sameAs(got) {
		t.Error("it is not the same as itself")
	}
	l := &lab{tasks: goroutines{}, config: got, log: slog.New(slog.DiscardHandler), events: newEventStore(10), clock: clock.New(clock.Setting{})}
	l.warn()
	list, _ := l.events.after(0, 10)
	if len(list) != 1 || !strings.Contains(list[0].Text, "UNSAFE on purpose. vote-twice: a server votes for everyone") || !strings.Contains(list[0].Text, "Election Safety is in danger") {
		t.Errorf("events %+v", list)
	}
}

func TestDiskFullSaysWhatToDo(t *testing.T) {
	err := fmt.Errorf("write: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	e := checkMessage(t, toError("prepare", err), ExitFailed, "no space left")
	if !strings.Contains(e.Hint, "free some space") {
		t.Errorf("hint %q", e.Hint)
	}
}
