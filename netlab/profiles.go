package netlab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// The names of profiles.
const (
	ProfileLAN       = "lan"
	ProfileWAN       = "wan"
	ProfileClassroom = "classroom"
	ProfileFlaky     = "flaky"
	ProfileSatellite = "satellite"
	ProfileRegions   = "regions"
)

// A ProfileInfo is one profile: its name, and what it is like.
type ProfileInfo struct {
	Name  string
	About string
	set   func(*Config)
}

// Profiles are all profiles that have a name of their own. Beside them the
// names of regions are one, as "london,tokyo,sydney".
//
// Election timeouts fit the network: broadcastTime << electionTimeout (§5.6).
// A round trip, jitter included, is at most a fifth of the shortest timeout, so
// that a candidate has its votes long before another timer runs out; the timeouts
// are spread over five round trips and more, so that most elections have one
// candidate (§9.3); and three heartbeats fit into the shortest, so that one that
// comes late, or two that are lost, depose nobody.
func Profiles() []ProfileInfo {
	return []ProfileInfo{
		{ProfileLAN, "no delays; the paper's timeouts (§9.3)", func(c *Config) {
			c.Heartbeat, c.ElectionMin, c.ElectionMax = 50*time.Millisecond, 150*time.Millisecond, 300*time.Millisecond
		}},
		{ProfileWAN, "40ms~5ms each way, as across an ocean", func(c *Config) {
			// Washington to London and back is 75 ms (regionTrips).
			c.Delay, c.Jitter, c.Distribution = 40*time.Millisecond, 5*time.Millisecond, link.Normal.String()
			c.Heartbeat, c.ElectionMin, c.ElectionMax = 150*time.Millisecond, 500*time.Millisecond, time.Second
		}},
		{ProfileClassroom, "300ms each way, slow enough to be followed by eye", func(c *Config) {
			c.Delay = 300 * time.Millisecond
			c.Heartbeat, c.ElectionMin, c.ElectionMax = time.Second, 3*time.Second, 9*time.Second
		}},
		{ProfileFlaky, "10ms with a long tail; 5% lost in bursts, 1% doubled, 1% out of order", func(c *Config) {
			c.Delay, c.Jitter, c.Distribution = 10*time.Millisecond, 5*time.Millisecond, link.Pareto.String()
			c.Loss, c.Burst, c.Duplicate, c.Reorder = .05, 3, .01, .01
			// Six heartbeats in the shortest timeout: a burst takes three away.
			c.Heartbeat, c.ElectionMin, c.ElectionMax = 50*time.Millisecond, 300*time.Millisecond, 600*time.Millisecond
		}},
		{ProfileSatellite, "300ms~10ms each way and 0.5% lost, as by geostationary satellite", func(c *Config) {
			// Up to the satellite and down again takes light 239 to 284 ms, and with the
			// way on the ground a round trip is about 600 (G. Huston, "Using LEOs and
			// GEOs", APNIC Labs, 28 April 2022).
			c.Delay, c.Jitter, c.Distribution = 300*time.Millisecond, 10*time.Millisecond, link.Normal.String()
			c.Loss, c.Burst = .005, 2
			c.Heartbeat, c.ElectionMin, c.ElectionMax = time.Second, 3500*time.Millisecond, 7*time.Second
		}},
		{ProfileRegions, "nodes in washington, frankfurt, tokyo, saopaulo and sydney, in turn", func(c *Config) {
			c.inRegions([]string{"washington", "frankfurt", "tokyo", "saopaulo", "sydney"})
		}},
	}
}

// Profile returns the settings that a name stands for: 5 nodes, with delays and
// the timers that fit them. A name is one from Profiles, or names of regions.
func Profile(name string) (Config, error) {
	c := Config{
		Nodes: 5, Profile: name, Speed: 1,
		PreVote: true, CheckQuorum: true, IgnoreVotes: true, Transfer: true, SnapshotBytes: snapshotBytes,
	}
	var known []string
	for _, p := range Profiles() {
		if p.Name == name {
			p.set(&c)
			return c, nil
		}
		known = append(known, p.Name)
	}
	if first, _, _ := strings.Cut(name, ","); slices.Contains(regionNames, strings.ToLower(strings.TrimSpace(first))) {
		regions, err := parseRegions(name)
		if err != nil {
			return Config{}, err
		}
		c.Profile = strings.Join(regions, ",")
		c.inRegions(regions)
		return c, nil
	}
	return Config{}, Errorf(ExitUsage, "there is no profile %s", quote(name)).
		WithHint("profiles: %s, regions like london,tokyo, or a file; raftlab up --profile help", strings.Join(known, " "))
}

// inRegions puts the nodes into regions, in turn.
func (c *Config) inRegions(regions []string) {
	c.Regions = regions
	c.fit()
}

// fit chooses timers for the network, by the rules that Profiles states.
func (c *Config) fit() {
	lan := 150 * time.Millisecond
	c.ElectionMin = max(lan, roundUp(5*c.roundTrip()))
	c.ElectionMax = 2 * c.ElectionMin
	c.Heartbeat = (c.ElectionMin / 3).Truncate(10 * time.Millisecond)
}

// roundUp makes a time one that people would choose.
func roundUp(d time.Duration) time.Duration {
	unit := 50 * time.Millisecond
	if d > time.Second {
		unit = 500 * time.Millisecond
	}
	return (d + unit - 1) / unit * unit
}

// roundTrip is about the longest that frames take there and back, unless they
// are lost: of what has no end, as a bell curve, two deviations.
func (c *Config) roundTrip() time.Duration {
	trip := 2 * (c.Delay + c.Jitter)
	if c.Distribution != "" && c.Distribution != link.Uniform.String() {
		trip += 2 * c.Jitter
	}
	if len(c.Regions) > 0 {
		trip += longestTrip(c.Regions)
	}
	return trip
}

// linkRules are those of a link nobody set anything on.
func (c *Config) linkRules(from, to int) link.Rules {
	var r link.Rules
	delay := link.Delay{Mean: raft.Duration(c.Delay), Jitter: raft.Duration(c.Jitter)}
	if len(c.Regions) > 0 {
		delay.Mean += raft.Duration(RegionTrip(c.Region(from), c.Region(to)) / 2)
	}
	if c.Distribution != "" {
		// Of a name that there is: Validate has looked.
		delay.Distribution, _ = link.ParseDistribution(c.Distribution)
	}
	for _, f := range []struct {
		set    bool
		effect link.Effect
	}{
		{delay.Mean != 0 || delay.Jitter != 0, delay},
		{c.Loss != 0, link.Loss{Share: c.Loss, Burst: c.Burst}},
		{c.Duplicate != 0, link.Duplicate{Share: c.Duplicate}},
		{c.Reorder != 0, link.Reorder{Share: c.Reorder}},
	} {
		if f.set {
			r.Faults = append(r.Faults, link.Fault{Effect: f.effect})
		}
	}
	return r
}

// validateLinks says what is wrong with what links begin with.
func (c *Config) validateLinks() error {
	if err := delayError(c.Delay, c.Jitter); err != nil {
		return err
	}
	if c.Distribution != "" {
		d, err := link.ParseDistribution(c.Distribution)
		if err != nil {
			return Errorf(ExitUsage, "%v", err)
		}
		if d == link.Table {
			return Errorf(ExitUsage, "a table of delays has no place in a profile's delay; a line with slow takes one").WithHint("slow all table 5ms,5ms,5ms,80ms")
		}
	}
	for _, name := range c.Regions {
		if !slices.Contains(regionNames, name) {
			return Errorf(ExitUsage, "there is no region %s", quote(name)).WithHint("regions: %s", strings.Join(regionNames, " "))
		}
	}
	if c.Burst != 0 && c.Loss == 0 {
		return Errorf(ExitUsage, "bursts of %g frames, of which none are lost", c.Burst).WithHint("loss = 5%% bursts of 3")
	}
	if err := c.linkRules(1, 2).Validate(); err != nil {
		return Errorf(ExitUsage, "the links of this profile: %v", err)
	}
	return nil
}

// networkText is what links begin with, in words.
func (c *Config) networkText() string {
	var parts []string
	if len(c.Regions) > 0 {
		parts = append(parts, "regions "+strings.Join(c.Regions, ","))
	}
	for _, f := range (&Config{Delay: c.Delay, Jitter: c.Jitter, Distribution: c.Distribution,
		Loss: c.Loss, Burst: c.Burst, Duplicate: c.Duplicate, Reorder: c.Reorder}).linkRules(1, 2).Faults {
		parts = append(parts, f.Line(""))
	}
	if len(parts) == 0 {
		return "no faults"
	}
	return strings.Join(parts, ", ")
}

// RegionTable is the round trips between regions, for people, a row a line.
func RegionTable() []string {
	row := fmt.Sprintf("%-11s", "ms")
	for _, name := range regionNames {
		row += fmt.Sprintf("%11s", name)
	}
	lines := []string{row}
	for i, a := range regionNames {
		row := fmt.Sprintf("%-11s", a)
		for j, b := range regionNames {
			if j < i {
				row += fmt.Sprintf("%11s", "")
				continue
			}
			row += fmt.Sprintf("%11d", RegionTrip(a, b).Milliseconds())
		}
		lines = append(lines, strings.TrimRight(row, " "))
	}
	return append(lines, "source: "+regionSource)
}
