package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/script"
)

// errProfileHelp is the answer to --profile help: a list and no lab.
var errProfileHelp = errors.New("the profiles are listed")

// parseProfile reads the value of --profile: a name, names of regions, or a
// file.
func (c *call) parseProfile(value string) (netlab.Config, error) {
	if value == "help" {
		return netlab.Config{}, errProfileHelp
	}
	config, err := netlab.Profile(value)
	if err == nil {
		return config, nil
	}
	if _, serr := os.Stat(value); serr != nil && !strings.ContainsRune(value, filepath.Separator) {
		return config, err // neither a name nor a file
	}
	err = readFile("profile", value, func(f io.Reader) (err error) {
		config, err = netlab.ReadProfile(value, f, parseOp)
		return err
	})
	config.Profile = strings.TrimSuffix(filepath.Base(value), filepath.Ext(value))
	return config, err
}

// parseFaults reads the file of --faults.
func parseFaults(path string) (ops []netlab.Op, err error) {
	err = readFile("faults", path, func(f io.Reader) (err error) {
		ops, err = netlab.ReadFaults(path, f, parseOp)
		return err
	})
	return ops, err
}

// readFile opens a file that a flag names.
func readFile(flag, path string, read func(io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return usageErrorf("--%s: %v", flag, err).WithHint("raftlab help up")
	}
	defer f.Close() // it was only read
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return usageErrorf("--%s: %s is a directory, not a file", flag, clean(path)).WithHint("raftlab help up")
	}
	return read(f)
}

// parseOp turns a line of the command line into the operation it asks the lab
// for, without asking.
func parseOp(line string) (netlab.Op, error) {
	words, err := script.Split(line)
	if err != nil {
		return netlab.Op{}, usageErrorf("%v", err)
	}
	if len(words) > 0 && words[0] == "raftlab" {
		words = words[1:]
	}
	if len(words) == 0 {
		return netlab.Op{}, usageErrorf("the line says nothing")
	}
	var op *netlab.Op
	inner := &shell{
		stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard,
		embedded: true, dry: true, typed: "raftlab " + quoteWords(words),
		taken: func(o netlab.Op) { op = &o },
	}
	err = inner.exec(context.Background(), words)
	switch {
	case op != nil:
		return *op, nil
	case err != nil && !errors.Is(err, errDry):
		return netlab.Op{}, err
	}
	return netlab.Op{}, usageErrorf("%s is nothing that is set on a lab", clean(words[0])).WithHint("for example:  slow all 20ms")
}

// profileJSON is what -o json tells of a profile.
type profileJSON struct {
	Name        string   `json:"name"`
	About       string   `json:"about"`
	DelayMS     float64  `json:"delay_ms"`
	JitterMS    float64  `json:"jitter_ms"`
	HeartbeatMS float64  `json:"heartbeat_ms"`
	ElectionMS  [2]int64 `json:"election_ms"`
	Regions     []string `json:"regions,omitempty"`
}

// listProfiles prints all profiles, and the delays between regions.
func listProfiles(c *call) error {
	var profiles []profileJSON
	var names []string
	t := &table{head: []string{"profile", "heartbeat", "election", "the network"}}
	for _, p := range netlab.Profiles() {
		config, err := netlab.Profile(p.Name)
		if err != nil {
			return err
		}
		ms := func(d int64) float64 { return float64(d) / 1e6 }
		profiles = append(profiles, profileJSON{
			p.Name, p.About, ms(int64(config.Delay)), ms(int64(config.Jitter)), ms(int64(config.Heartbeat)),
			[2]int64{config.ElectionMin.Milliseconds(), config.ElectionMax.Milliseconds()}, config.Regions,
		})
		names = append(names, p.Name)
		t.add(p.Name, shortDuration(config.Heartbeat), shortDuration(config.ElectionMin)+"-"+shortDuration(config.ElectionMax), p.About)
	}
	type trip struct {
		A  string `json:"a"`
		B  string `json:"b"`
		MS int64  `json:"round_trip_ms"`
	}
	var trips []trip
	for i, a := range netlab.Regions() {
		for _, b := range netlab.Regions()[i:] {
			trips = append(trips, trip{a, b, netlab.RegionTrip(a, b).Milliseconds()})
		}
	}
	return c.emit(struct {
		Schema   string        `json:"schema"`
		Profiles []profileJSON `json:"profiles"`
		Regions  []trip        `json:"regions"`
	}{"raftlab.profiles/1", profiles, trips}, names, func(w io.Writer) error {
		if err := t.write(w, c.style); err != nil {
			return err
		}
		lines := slices.Concat([]string{`
Names of regions are a profile, too: --profile london,tokyo,sydney puts nodes there
in turn. A frame takes half of these round trips:
`}, netlab.RegionTable(), []string{`
Timeouts fit the network: broadcastTime << electionTimeout (§5.6). A round trip is a
fifth of the shortest timeout at most, so that a candidate has its votes, and a
leader is heard of, before another timer runs out; three heartbeats fit into the
shortest, so that a late or lost one deposes nobody.

A file of your own has settings and lines that set faults:
  profile   = wan                what it begins as; else lan
  delay     = 30ms~5ms normal    each way; also: loss = 5% bursts of 3
  regions   = london,tokyo       also: duplicate = 1%, reorder = 1%
  nodes     = 3                  also: speed = 0.5
  heartbeat = 100ms              without these two: what fits the delays
  election  = 500ms-1s
  slow 1 to 2 80ms               as on the command line
  lose all 1%`})
		return writeLines(w, lines)
	})
}

// profileNames are the profiles that have a name of their own.
func profileNames() string {
	var names []string
	for _, p := range netlab.Profiles() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}
