package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

// leaderWait is how long `up` waits for a first leader.
const leaderWait = 10 * time.Second

// followWait is how long `up` lets the others hear of the leader.
const followWait = 200 * time.Millisecond

func upVerb() *verb {
	return &verb{
		name: "up", usage: "Start a lab in the background", category: categoryLab, dry: true,
		flags: []cli.Flag{
			&cli.IntFlag{Name: "nodes", Aliases: []string{"n"}, Usage: "`N` how many nodes, 1 to " + strconv.Itoa(netlab.NodesMax), DefaultText: "5"},
			&cli.StringFlag{Name: "profile", Usage: "`PROFILE` the network and timers that fit it: " + profileNames() + ", regions like london,tokyo, or ./FILE; \"raftlab up --profile help\" lists all", Value: netlab.ProfileLAN},
			&cli.StringFlag{Name: "faults", Usage: "`FILE` of lines like \"cut 1 to 2\": what is so before the nodes start"},
			&cli.Float64Flag{Name: "speed", Usage: "`RATE` how fast the lab clock runs; 1 is real time", Value: 1},
			&cli.Uint64Flag{Name: "seed", Usage: "`NUMBER` what every random decision of the lab starts from", DefaultText: "drawn"},
			&cli.DurationFlag{Name: "heartbeat", Usage: "`D` from one heartbeat of a leader to the next", DefaultText: "the profile's: 50ms"},
			&cli.StringFlag{Name: "election", Usage: "`MIN-MAX` bounds of the election timeout", DefaultText: "the profile's: 150ms-300ms"},
			&cli.StringFlag{Name: "preload", Usage: "`LOGS` what nodes have in their logs at the start, as terms: '1=1114455666 2=1.1.10'"},
			&cli.StringFlag{Name: "terms", Usage: "`TERMS` terms that nodes start in, when higher than their log's: '1=8'"},
			&cli.BoolFlag{Name: "no-pre-vote", Usage: "nodes raise their term without asking first whether they could win (thesis §9.6)"},
			&cli.BoolFlag{Name: "no-check-quorum", Usage: "a leader that no majority answers goes on leading (thesis §6.2)"},
			&cli.BoolFlag{Name: "no-ignore-votes", Usage: "nodes that hear a leader consider requests for votes all the same (§6)"},
			&cli.BoolFlag{Name: "no-transfer", Usage: "leaders do not hand over (thesis §3.10)"},
			&cli.StringFlag{Name: "snapshot-size", Usage: "`SIZE` of the log, like 64MiB, at which a node takes a snapshot; 0 is never (§7)", DefaultText: "the profile's: " + defaultSnapshotSize()},
			&cli.StringFlag{Name: "restart-policy", Usage: "`POLICY` of nodes that end by themselves: never, or on-failure to have them restarted", Value: netlab.PolicyNever},
			unsafeFlag(),
			&cli.BoolFlag{Name: "tui", Usage: "open the terminal UI; leaving it does not stop the lab"},
			&cli.BoolFlag{Name: "foreground", Usage: "stay, print events, and stop the lab on Ctrl-C"},
			&cli.BoolFlag{Name: "no-wait", Usage: "do not wait for a leader"},
			&cli.BoolFlag{Name: "replace", Usage: "end a lab of that name first, and delete its data"},
			&cli.BoolFlag{Name: "sim", Usage: "simulate it: nodes, disks and network in one process, in virtual time"},
			&cli.StringFlag{Name: "listen", Usage: "`ADDR` serve the control API here too, guarded by a token"},
		},
		about: `Every node is a process with its own log on disk, and all their messages pass
through the lab's network. up waits up to 10 s for a leader, prints the nodes and
returns; the lab runs on. With a lab of that name running it prints it and exits 0,
or exits 4 when other settings are asked for.

--preload gives each node a log: one digit an entry, its term, or terms with dots
between them. The same index and term is the same entry on every node.

--sim makes the same lab without processes: the same nodes on disks and a network
that are simulated, on a clock that can be held, slowed and sped up as any. What
its nodes stored ends with it.

The --no- flags take away what serious implementations add to the paper's Raft.
--unsafe breaks the paper's own rules: the lab says so wherever it is shown.`,
		examples: []example{
			{"raftlab up -n 5", "five nodes, timeouts as in the paper: 150 to 300 ms"},
			{"raftlab up -n 5 --profile classroom --tui", "slow enough to watch"},
			{"raftlab up -n 3 --preload '1=112 2=111' --terms '2=3'", "logs that differ"},
			{"raftlab up --unsafe forget-vote", "Raft without one of its rules; --unsafe help lists all"},
			{"raftlab up --foreground", "in containers and CI"},
		},
		run: up,
	}
}

func up(c *call) error {
	config, err := upConfig(c)
	switch {
	case errors.Is(err, errUnsafeHelp):
		return listUnsafe(c)
	case errors.Is(err, errProfileHelp):
		return listProfiles(c)
	}
	if err != nil {
		return err
	}
	if c.Bool("tui") && c.Bool("foreground") {
		return usageErrorf("--tui and --foreground exclude each other: both want the terminal")
	}
	if c.sh.embedded && (c.Bool("tui") || c.Bool("foreground")) {
		return usageErrorf("--tui and --foreground work on the command line only, not inside a scenario or the palette")
	}
	if c.sh.dry {
		return errDry
	}
	home, err := netlab.Home()
	if err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find raftlab's own binary: %w", err)
	}
	ctx := c.Context.Context
	steps := newSteps(c)
	defer steps.stop()
	steps.begin(fmt.Sprintf("lab %s with %s", c.labName(), plural(config.Nodes, "node")))
	client, existed, err := netlab.Start(ctx, netlab.StartOptions{
		Home: home, Name: c.labName(), Config: config, Executable: executable,
		Replace: c.Bool("replace"), Progress: steps.note,
	})
	if err != nil {
		steps.fail()
		return err
	}
	c.client = client
	if existed {
		steps.note("it is running already")
	}
	if c.Bool("foreground") {
		steps.done()
		return foreground(c, client)
	}
	if c.Bool("tui") && terminalFor(c) == nil {
		steps.done()
		return runTUI(c, client) // at once: the first election is worth seeing
	}
	var noLeader error
	held := slices.ContainsFunc(config.Start, func(op netlab.Op) bool { return op.Verb == "hold" })
	if !c.Bool("no-wait") && !held {
		if !existed {
			steps.begin("waiting for a leader")
		}
		if noLeader = waitForLeader(ctx, client); noLeader != nil {
			steps.fail()
		}
	}
	steps.done()
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if err := c.printStatus(status); err != nil {
		return err
	}
	if config.Listen != "" {
		access, err := client.Access(ctx)
		if err != nil {
			return err
		}
		c.talk("control API:  http://%s   with the header  Authorization: Bearer %s", access.Addr, access.Token)
	}
	if noLeader != nil {
		return noLeader
	}
	if c.format == formatTable && !c.sh.embedded {
		c.talk("\n%s", nextCommands(c, status))
	}
	return nil
}

// upConfig makes the lab's settings of the profile and the flags.
func upConfig(c *call) (netlab.Config, error) {
	config, err := c.parseProfile(c.String("profile"))
	if err != nil {
		return config, err
	}
	if c.IsSet("nodes") {
		config.Nodes = c.Int("nodes")
	}
	if c.IsSet("heartbeat") {
		config.Heartbeat = c.Duration("heartbeat")
	}
	if c.IsSet("election") {
		if config.ElectionMin, config.ElectionMax, err = parseRange(c.String("election")); err != nil {
			return config, err
		}
	}
	config.PreVote = !c.Bool("no-pre-vote")
	config.CheckQuorum = !c.Bool("no-check-quorum")
	config.IgnoreVotes = !c.Bool("no-ignore-votes")
	config.Transfer = !c.Bool("no-transfer")
	if c.IsSet("snapshot-size") {
		if config.SnapshotBytes, err = parseSnapshotSize(c.String("snapshot-size")); err != nil {
			return config, err
		}
	}
	if config.Unsafe, err = parseUnsafe(c.StringSlice("unsafe")); err != nil {
		return config, err
	}
	if path := c.String("faults"); path != "" {
		faults, err := parseFaults(path)
		if err != nil {
			return config, err
		}
		config.Start = append(config.Start, faults...)
	}
	config.RestartPolicy = c.String("restart-policy")
	if c.IsSet("speed") {
		config.Speed = c.Float64("speed")
	}
	if config.Seed = c.Uint64("seed"); config.Seed == 0 {
		config.Seed = c.sh.seed
	}
	config.Listen = c.String("listen")
	switch {
	case c.sh.driven:
		config.Sim = netlab.SimDriven
	case c.Bool("sim"):
		config.Sim = netlab.SimPaced
	}
	if config.Preload, err = parsePreload(c.String("preload")); err != nil {
		return config, err
	}
	if config.Terms, err = parseTerms(c.String("terms")); err != nil {
		return config, err
	}
	return config, config.Validate()
}

// parseSnapshotSize reads the size at which a log is folded; never is 0.
func parseSnapshotSize(s string) (int64, error) {
	if s == "never" {
		return 0, nil
	}
	bytes, ok := parseSize(s)
	if !ok {
		return 0, usageErrorf("--snapshot-size wants a number of bytes like 64MiB or 4096, or 0 for never, not %q", clean(s)).WithHint("raftlab help up")
	}
	return bytes, nil
}

// defaultSnapshotSize is what a lab does when nobody says otherwise.
func defaultSnapshotSize() string {
	config, err := netlab.Profile(netlab.ProfileLAN)
	if err != nil {
		panic(err) // the profile of the flag's own default
	}
	if config.SnapshotBytes == 0 {
		return "never"
	}
	return strings.ReplaceAll(size(config.SnapshotBytes), " ", "")
}

// parseRange reads MIN-MAX, or one value for both.
func parseRange(s string) (lo, hi time.Duration, err error) {
	a, b, isRange := strings.Cut(s, "-")
	if !isRange {
		b = a
	}
	if lo, err = time.ParseDuration(a); err == nil {
		hi, err = time.ParseDuration(b)
	}
	if err != nil {
		return 0, 0, usageErrorf("--election wants MIN-MAX like 150ms-300ms, not %q", clean(s)).WithHint("raftlab help up")
	}
	return lo, hi, nil
}

// parsePreload reads '1=1114455666 2=1.1.10': each node's log as the terms of
// its entries, a digit each or with dots between them.
func parsePreload(s string) (map[int][]uint64, error) {
	return parseNodeValues("preload", s, func(value string) ([]uint64, error) {
		var terms []uint64
		parts := strings.Split(value, ".")
		if len(parts) == 1 {
			parts = strings.Split(value, "")
		}
		for _, p := range parts {
			t, err := strconv.ParseUint(p, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%q is no log; it is a digit for each entry's term, or terms with dots: 1114 or 1.1.10", value)
			}
			terms = append(terms, t)
		}
		return terms, nil
	})
}

// parseTerms reads '1=8 2=9': the terms that nodes start in.
func parseTerms(s string) (map[int]uint64, error) {
	return parseNodeValues("terms", s, func(value string) (uint64, error) {
		t, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no term", value)
		}
		return t, nil
	})
}

// parseNodeValues reads NODE=VALUE pairs, split by spaces or commas.
func parseNodeValues[V any](flag, s string, parse func(string) (V, error)) (map[int]V, error) {
	out := make(map[int]V)
	for _, pair := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' }) {
		name, value, ok := strings.Cut(pair, "=")
		node, err := netlab.ParseNode(name)
		if !ok || err != nil || node.ID == 0 {
			return nil, usageErrorf("--%s wants NODE=VALUE pairs, and %q is none", flag, clean(pair)).WithHint("raftlab help up")
		}
		v, err := parse(value)
		if err != nil {
			return nil, usageErrorf("--%s: %v", flag, err).WithHint("raftlab help up")
		}
		if _, twice := out[node.ID]; twice {
			return nil, usageErrorf("--%s names node %d twice", flag, node.ID)
		}
		out[node.ID] = v
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// waitForLeader waits until the lab has a leader. That it has none in time is
// an error of code 5; the lab runs all the same.
func waitForLeader(ctx context.Context, client *netlab.Client) error {
	res, err := client.Wait(ctx, netlab.Wait{Cond: "leader", Timeout: leaderWait})
	var told *netlab.Error
	switch {
	case errors.As(err, &told) && told.Code == netlab.ExitTimeout, err == nil && !res.Holds:
		return netlab.Errorf(netlab.ExitTimeout, "the lab runs, but has no leader after %s", shortDuration(leaderWait)).
			WithHint("see it:  raftlab status        without waiting:  raftlab up --no-wait")
	}
	if err != nil {
		return err
	}
	// The rest hear of the leader with its first heartbeat; who is behind after
	// that is shown as what it is.
	_, err = client.Wait(ctx, netlab.Wait{Cond: "all(nodes, .leader == leader)", Timeout: followWait})
	return err
}

// nextCommands is what to try once a lab is up. The nodes named exist in it.
func nextCommands(c *call, s *netlab.Status) string {
	lab, raftlab := "", programName()
	if name := c.labName(); name != netlab.DefaultName {
		lab = " --lab " + name
	}
	split := "1"
	if len(s.Nodes) >= 5 {
		split = "2 4"
	}
	lines := []example{
		{raftlab + lab + " tui", "watch and steer it in this terminal"},
		{raftlab + lab + " put cart 1", "write through Raft"},
		{raftlab + lab + " partition " + split, "cut " + strings.ReplaceAll(nodeList(split), " ", " and ") + " off; then: " + raftlab + lab + " heal"},
		{raftlab + lab + " kill leader", "see the next election; then: " + raftlab + lab + " restart dead"},
		{raftlab + lab + " down", "end it"},
	}
	width := 0
	for _, l := range lines {
		width = max(width, len(l.line))
	}
	var b strings.Builder
	b.WriteString("Next:")
	for _, l := range lines {
		fmt.Fprintf(&b, "\n  %-*s  %s", width, l.line, l.does)
	}
	return b.String()
}

// programName is how to call this program again: whoever runs it from its
// source has no raftlab to call.
func programName() string {
	if exe, err := os.Executable(); err == nil && strings.Contains(exe, "go-build") {
		return "go run ."
	}
	return "raftlab"
}

func nodeList(words string) string { return "S" + strings.ReplaceAll(words, " ", " S") }

// foreground prints events until a signal comes, then ends the lab.
func foreground(c *call, client *netlab.Client) error {
	c.talk("lab %s runs until Ctrl-C", c.labName())
	err := followEvents(c, client, nil, 0)
	if ctxErr := c.Context.Context.Err(); ctxErr == nil {
		return err // the lab was ended by somebody else, or is lost
	}
	c.talk("ending lab %s", c.labName())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context.Context), downTimeout)
	defer cancel()
	if err := client.Down(ctx, false); err != nil {
		return err
	}
	return context.Cause(c.Context.Context)
}
