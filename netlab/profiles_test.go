package netlab

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// Every profile's timers fit its network, by the rules that Profiles states.
func TestProfilesFit(t *testing.T) {
	var names []string
	for _, p := range Profiles() {
		names = append(names, p.Name)
		if p.About == "" {
			t.Errorf("nothing is said about %s", p.Name)
		}
	}
	names = append(names, "london", "london,frankfurt", "Sydney, saopaulo,TOKYO", strings.Join(Regions(), ","))
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			c, err := Profile(name)
			if err != nil {
				t.Fatal(told(err))
			}
			if err := c.Validate(); err != nil {
				t.Error(told(err))
			}
			trip := c.roundTrip()
			if c.ElectionMin < 3*c.Heartbeat {
				t.Errorf("three heartbeats of %v do not fit into a timeout of %v", c.Heartbeat, c.ElectionMin)
			}
			if c.ElectionMin < 5*trip {
				t.Errorf("a round trip takes up to %v, more than a fifth of the shortest timeout %v", trip, c.ElectionMin)
			}
			if spread := c.ElectionMax - c.ElectionMin; spread < 5*trip {
				t.Errorf("timeouts are spread over %v, less than five round trips of %v", spread, trip)
			}
		})
	}
	_, err := Profile("warp")
	if e := checkMessage(t, err, ExitUsage, `there is no profile "warp"`); !strings.HasPrefix(e.Hint, "profiles: lan wan classroom flaky satellite regions") {
		t.Errorf("hint %q", e.Hint)
	}
	_, err = Profile("london,atlantis")
	checkMessage(t, err, ExitUsage, `there is no region "atlantis"`)
}

// The table is whole, and no way is faster than light in glass.
func TestRegions(t *testing.T) {
	// Degrees north and east.
	places := map[string][2]float64{
		"dallas": {32.8, -96.8}, "toronto": {43.7, -79.4}, "washington": {38.9, -77.0}, "frankfurt": {50.1, 8.7}, "london": {51.5, -0.1},
		"madrid": {40.4, -3.7}, "osaka": {34.7, 135.5}, "sydney": {-33.9, 151.2}, "tokyo": {35.7, 139.7}, "saopaulo": {-23.6, -46.6},
	}
	for _, a := range Regions() {
		if _, ok := places[a]; !ok {
			t.Fatalf("nobody knows where %s is", a)
		}
		for _, b := range Regions() {
			trip := RegionTrip(a, b)
			if trip != RegionTrip(b, a) {
				t.Errorf("%s to %s takes %v, and back %v", a, b, trip, RegionTrip(b, a))
			}
			if a == b && trip != zoneTrip {
				t.Errorf("within %s it takes %v", a, trip)
			}
			const kmPerMS = 200 // light in glass
			if least := 2 * distance(places[a], places[b]) / kmPerMS; float64(trip)/1e6 < least {
				t.Errorf("%s to %s and back takes %v, light takes %.0f ms", a, b, trip, least)
			}
		}
	}
	lines := RegionTable()
	if len(lines) != len(Regions())+2 || !strings.Contains(lines[len(lines)-1], "IBM Cloud Docs") {
		t.Errorf("the table is\n%s", strings.Join(lines, "\n"))
	}
}

// distance is how far apart two places are on the globe, in km; places are
// degrees north and east.
func distance(a, b [2]float64) float64 {
	rad := func(deg float64) float64 { return deg * math.Pi / 180 }
	north := math.Sin(rad(b[0]-a[0]) / 2)
	east := math.Sin(rad(b[1]-a[1]) / 2)
	return 2 * 6371 * math.Asin(math.Sqrt(north*north+math.Cos(rad(a[0]))*math.Cos(rad(b[0]))*east*east))
}

// A node's region decides its links' delays; nodes are put into regions in turn.
func TestRegionLinks(t *testing.T) {
	c, err := Profile("london,tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		from, to int
		want     time.Duration
	}{
		{1, 2, 243 * time.Millisecond / 2}, {2, 1, 243 * time.Millisecond / 2}, {1, 3, time.Millisecond}, {4, 2, time.Millisecond}, {21, 20, 243 * time.Millisecond / 2},
	} {
		d, ok := link.Find[link.Delay](c.linkRules(k.from, k.to))
		if !ok || d.Mean != raft.Duration(k.want) {
			t.Errorf("S%d in %s to S%d in %s takes %v, want %v", k.from, c.Region(k.from), k.to, c.Region(k.to), time.Duration(d.Mean), k.want)
		}
	}
	if lan, _ := Profile(ProfileLAN); len(lan.linkRules(1, 2).Faults) != 0 || lan.Region(1) != "" {
		t.Errorf("lan has %v", lan.linkRules(1, 2))
	}
	flaky, err := Profile(ProfileFlaky)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range flaky.linkRules(1, 2).Faults {
		lines = append(lines, f.Line(""))
	}
	if got, want := strings.Join(lines, "; "), "slow 10ms~5ms pareto; lose 5% --burst 3; duplicate 1%; reorder 1%"; got != want {
		t.Errorf("a flaky link has %q, want %q", got, want)
	}
	if s := flaky.difference(Config{}); s == "" {
		t.Error("flaky is like nothing")
	}
}

// lines that a command line would take apart, as far as the tests of files go.
func parseTest(line string) (Op, error) {
	words := strings.Fields(line)
	switch words[0] {
	case "cut", "hold", "kill":
		op := Op{Verb: words[0], Line: "raftlab " + line}
		if words[0] == "kill" {
			op.Nodes = words[1:]
		} else {
			op.Links = words[1:]
		}
		return op, nil
	}
	return Op{}, Errorf(ExitUsage, "unknown command %q", words[0]).WithHint("raftlab help")
}

func TestReadProfile(t *testing.T) {
	for _, c := range []struct {
		name string
		file string
		want func(*Config)
	}{
		{"nothing is the lan", "# nothing\n\n", func(*Config) {}},
		{"a profile may be the base of another", "profile = satellite\n", func(c *Config) {
			*c, _ = Profile(ProfileSatellite)
		}},
		{"all settings", `
			nodes     = 3       # few
			speed     = 0.5
			delay     = 20ms~5ms normal
			loss      = 5% bursts of 3
			duplicate = 1%
			reorder   = 0.5
			heartbeat = 100ms
			election  = 500ms - 1s
			cut 1 to 2
			hold`, func(c *Config) {
			c.Nodes, c.Speed = 3, .5
			c.Delay, c.Jitter, c.Distribution = 20*time.Millisecond, 5*time.Millisecond, "normal"
			c.Loss, c.Burst, c.Duplicate, c.Reorder = .05, 3, .01, .005
			c.Heartbeat, c.ElectionMin, c.ElectionMax = 100*time.Millisecond, 500*time.Millisecond, time.Second
			c.Start = []Op{{Verb: "cut", Links: []string{"1", "to", "2"}, Line: "raftlab cut 1 to 2"}, {Verb: "hold", Links: []string{}, Line: "raftlab hold"}}
		}},
		{"timers fit delays that are given without them", "delay = 50ms\n", func(c *Config) {
			c.Delay = 50 * time.Millisecond
			c.Heartbeat, c.ElectionMin, c.ElectionMax = 160*time.Millisecond, 500*time.Millisecond, time.Second
		}},
		{"regions, too", "regions = london, tokyo\n", func(c *Config) {
			c.Regions = []string{"london", "tokyo"}
			c.Heartbeat, c.ElectionMin, c.ElectionMax = 500*time.Millisecond, 1500*time.Millisecond, 3*time.Second
		}},
		{"an election timeout has a heartbeat that fits", "election = 300ms\n", func(c *Config) {
			c.Heartbeat, c.ElectionMin, c.ElectionMax = 100*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, err := Profile(ProfileLAN)
			if err != nil {
				t.Fatal(err)
			}
			c.want(&want)
			want.Profile = "mine"
			got, err := ReadProfile("mine", strings.NewReader(c.file), parseTest)
			if err != nil {
				t.Fatal(told(err))
			}
			if !got.sameAs(want) {
				t.Errorf("it is\n%+v, want\n%+v: %s", got, want, want.difference(got))
			}
		})
	}
}

func TestReadProfileRefuses(t *testing.T) {
	for _, c := range []struct{ name, file, message string }{
		{"a setting there is not", "\n\ncolour = red\n", `mine:3: colour = red: a profile has no setting "colour"`},
		{"a setting twice", "nodes = 3\nnodes = 5\n", "mine:2: nodes = 5: nodes is set twice"},
		{"a base that comes late", "nodes = 3\nprofile = wan\n", "mine:2: profile = wan: the line profile comes first"},
		{"a base there is not", "profile = warp\n", `mine:1: profile = warp: there is no profile "warp"`},
		{"no number", "nodes = many\n", `mine:1: nodes = many: nodes wants a number like 5, not "many"`},
		{"too many nodes", "nodes = 22\n", "mine:1: nodes = 22: a lab has 1 to 21 nodes, not 22"},
		{"no time", "delay = soon\n", `mine:1: delay = soon: delay wants a time like 50ms, not "soon"`},
		{"less than no time", "delay = -5ms\n", "mine:1: delay = -5ms: a link's delay is 0 to 24h, not -5ms"},
		{"a jitter of less", "delay = 5ms~-1ms\n", "mine:1: delay = 5ms~-1ms: a link's jitter is 0 to 24h, not -1ms"},
		{"a shape there is not", "delay = 5ms round\n", `mine:1: delay = 5ms round: no distribution is named "round"`},
		{"a shape that is a table", "delay = 5ms table\n", "mine:1: delay = 5ms table: a table of delays has no place in a profile's delay"},
		{"more than all", "loss = 101%\n", "mine:1: loss = 101%: loss is 0 to 100 %, not 101%"},
		{"less than none", "reorder = -1%\n", "mine:1: reorder = -1%: reorder is 0 to 100 %, not -1%"},
		{"no share", "duplicate = some\n", `mine:1: duplicate = some: duplicate wants a share like 5%, not "some"`},
		{"no share that is no number", "loss = NaN\n", "mine:1: loss = NaN: loss is 0 to 100 %, not NaN"},
		{"bursts that cannot be", "loss = 90% bursts of 2\n", "mine:1: loss = 90% bursts of 2: the links of this profile: a loss of 90% in bursts of 2 frames: at most"},
		{"a region there is not", "regions = london,atlantis\n", `there is no region "atlantis"`},
		{"a rate there is not", "speed = 0\n", "mine:1: speed = 0: the lab clock runs at 0.001 to 1000 times real time, not 0"},
		{"timers that cannot be", "delay = 50ms\nelection = 50ms-90ms\n", "mine:2: election = 50ms-90ms: nobody can win an election: a round trip takes up to 100ms, and every timer runs out within 90ms"},
		{"a heartbeat that is no heartbeat", "heartbeat = 1s\n", "mine:1: heartbeat = 1s: the heartbeat (1s) must be shorter than the shortest election timeout"},
		{"a command there is not", "nodes = 3\n\nslwo 1 2 10ms\n", `mine:3: slwo 1 2 10ms: unknown command "slwo"`},
		{"one that needs nodes that run", "kill 1\n", "mine:1: kill 1: kill is nothing that a lab can be started with"},
		{"one that needs a leader", "cut leader\n", "mine:1: cut leader: nobody is the leader before the nodes run"},
		{"one for a node there is not", "nodes = 3\ncut 1 to 4\n", "mine:2: raftlab cut 1 to 4: node 4 is not in a lab of 3"},
		{"a line without end", "nodes = " + strings.Repeat("3", 5000), "mine:1: the line is longer than 4096 bytes"},
		{"lines without end", strings.Repeat("\n", 1001), "mine:1001: the file has more than 1000 lines"},
		{"what a terminal would act on", "\x1b[2J = 3\n", `a profile has no setting "\x1b[2J"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadProfile("mine", strings.NewReader(c.file), parseTest)
			checkMessage(t, err, ExitUsage, c.message)
		})
	}
}

func TestReadFaults(t *testing.T) {
	ops, err := ReadFaults("faults", strings.NewReader("# none yet\ncut 1 to 2   # one way\n\nhold\n"), parseTest)
	if err != nil || len(ops) != 2 || ops[0].Line != "raftlab cut 1 to 2" || ops[1].Verb != "hold" {
		t.Errorf("%+v, %s", ops, told(err))
	}
	_, err = ReadFaults("faults", strings.NewReader("cut 1 to 2\nnodes = 3\n"), parseTest)
	checkMessage(t, err, ExitUsage, `faults:2: nodes = 3: unknown command "nodes"`)
	_, err = ReadFaults("faults", broken{}, parseTest)
	checkMessage(t, err, ExitFailed, "read faults: the disk is gone")
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

// What a lab is to be started with stands before any node does, and says which
// line it was that could not be done.
func TestStartState(t *testing.T) {
	l := fakeLab(t, 3)
	l.config.Start = []Op{
		{Verb: "cut", Links: []string{"1", "to", "2"}, Line: "raftlab cut 1 to 2"},
		{Verb: "lose", Links: []string{"all"}, Loss: .1, Line: "raftlab lose all 10%"},
	}
	if err := l.config.Validate(); err != nil {
		t.Fatal(told(err))
	}
	if err := l.startState(); err != nil {
		t.Fatal(told(err))
	}
	s := l.status()
	if len(s.Faults) != 2 || s.Faults[0].Line != "raftlab cut 1 to 2" || !s.Links[0].Cut || s.Links[0].Loss != .1 {
		t.Errorf("it starts with %+v, the first link %+v", s.Faults, s.Links[0])
	}
	l.config.Start = []Op{{Verb: "lose", Links: []string{"1", "2"}, Loss: 2, Line: "raftlab lose 1 2 200%"}}
	checkMessage(t, l.startState(), ExitUsage, "raftlab lose 1 2 200%: a link loses 0 to 100 % of its frames, not 200")
}
