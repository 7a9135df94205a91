package explore

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// weather is a sort of runs.
type weather struct {
	name  string
	about string
	draw  func(*dice, *Draw)
	fixed bool // it is a scene: only details are drawn
	// rules are the unsafe rules that it is good at finding.
	rules []string
}

// weathers are all of them. Those that are not fixed are what explore plays when
// all rules are in force.
func weathers() []weather {
	return []weather{
		{name: "mixed", about: "everything goes wrong a little", draw: drawMixed,
			rules: []string{"vote-stale-logs", "vote-twice", "skip-log-check", "truncate-always", "commit-unmatched", "no-sessions"}},
		{name: "fair", about: "little goes wrong, so that what takes several steps comes to its end", draw: drawFair},
		{name: "restarts", about: "servers stand often, and go down and up again within a term", draw: drawRestarts,
			rules: []string{"forget-vote"}},
		{name: "power-cuts", about: "disks are slow, and servers lose what is not on them", draw: drawPowerCuts,
			rules: []string{"ack-before-fsync"}},
		{name: "changes", about: "the members change all the time, with partitions between them", draw: drawChanges,
			rules: []string{"direct-config-change"}},
		{name: "old-leaders", about: "leaders are cut off and do not know it, while clients read", draw: drawOldLeaders,
			rules: []string{"stale-reads"}},
		{name: "figure-8", about: "leaders get an entry to some and crash, and come back, as in Figure 8", draw: sceneFigure8, fixed: true,
			rules: []string{"commit-old-terms"}},
		{name: "start", about: "all servers come up at once", draw: sceneStart, fixed: true, rules: []string{"fixed-timeouts"}},
		{name: "nobody-writes", about: "a leader crashes when its entry is on a majority, and no client comes after that", draw: sceneNobodyWrites, fixed: true, rules: []string{"no-noop"}},
		{name: "deaf-follower", about: "a follower hears nobody for a while", draw: sceneDeafFollower, fixed: true, rules: []string{"no-pre-vote"}},
		{name: "deaf-leader", about: "the leader is heard and hears nobody", draw: sceneDeafLeader, fixed: true, rules: []string{"no-check-quorum"}},
	}
}

// Weathers are the names of the sorts of runs, with what each is.
func Weathers() (names, about []string) {
	for _, w := range weathers() {
		names, about = append(names, w.name), append(about, w.about)
	}
	return names, about
}

// weathers are those that o asks for.
func (o *Options) weathers() ([]weather, error) {
	all := weathers()
	if o.Weather != "" {
		i := slices.IndexFunc(all, func(w weather) bool { return w.name == o.Weather })
		if i < 0 {
			names, _ := Weathers()
			return nil, netlab.Errorf(netlab.ExitUsage, "there is no weather %q", o.Weather).WithHint("weathers: %s", strings.Join(names, " "))
		}
		return all[i : i+1], nil
	}
	fits := func(w weather) bool {
		if len(o.Unsafe) == 0 {
			return !w.fixed
		}
		return slices.ContainsFunc(w.rules, func(r string) bool { return slices.Contains(o.Unsafe, r) })
	}
	return slices.DeleteFunc(all, func(w weather) bool { return !fits(w) }), nil
}

// harmless are the faults that Raft is made to survive.
func harmless() (names []string) {
	for _, k := range netlab.ChaosKinds() {
		if k.Costs == "" {
			names = append(names, k.Name)
		}
	}
	return names
}

func drawMixed(d *dice, w *Draw) {
	c := &w.Config
	c.Nodes = oneOf(d, 1, 2, 3, 3, 3, 4, 5, 5, 6, 7)
	c.PreVote, c.CheckQuorum, c.IgnoreVotes, c.Transfer = d.coin(), d.coin(), d.coin(), d.coin()
	if d.coin() {
		c.SnapshotBytes = netlab.SnapshotBytesMin
	}
	switch d.below(4) {
	case 0: // quick, so that there is less between two things that go wrong
		c.Heartbeat, c.ElectionMin, c.ElectionMax = 20*time.Millisecond, 60*time.Millisecond, 120*time.Millisecond
	case 1: // all about the same, so that many stand at once
		c.Heartbeat, c.ElectionMin, c.ElectionMax = 50*time.Millisecond, 150*time.Millisecond, 155*time.Millisecond
	}
	w.Load = load(oneOf[float64](d, 20, 50, 150), oneOf(d, 1, 3, 6), oneOf(d, 1, 3, 10))
	w.Chaos = netlab.ChaosOptions{
		Every: oneOf[time.Duration](d, 50, 100, 250) * time.Millisecond, Hard: 1 + d.below(5), Most: 1 + d.below(c.Nodes), Kinds: some(d, harmless()),
	}
	w.Operate, w.Deeds = oneOf[time.Duration](d, 0, 100, 300)*time.Millisecond, some(d, []string{"members", "transfer", "snapshot", "elect"})
	w.Reads, w.Read = oneOf[time.Duration](d, 0, 20, 100)*time.Millisecond, oneOf(d, netlab.ReadIndex, netlab.ReadLog, netlab.ReadIndex)
	if c.IgnoreVotes && !slices.Contains(w.Deeds, "elect") && !slices.Contains(w.Chaos.Kinds, "elect") && d.coin() {
		w.Read = netlab.ReadLease // a lease counts on nobody who overrides it (thesis §6.4.1)
	}
}

func drawFair(d *dice, w *Draw) {
	drawMixed(d, w)
	w.Chaos.Every *= 4
	w.Chaos.Hard = 1
	w.Chaos.Most = 1
	w.Length *= 2
}

func drawRestarts(d *dice, w *Draw) {
	c := &w.Config
	c.Nodes = 3
	c.PreVote, c.CheckQuorum, c.IgnoreVotes, c.Transfer = false, false, false, false
	c.Heartbeat, c.ElectionMin, c.ElectionMax = 20*time.Millisecond, 60*time.Millisecond, 120*time.Millisecond
	w.before = []Step{do("slow all 20ms~20ms", netlab.Op{Verb: "slow", Links: []string{"all"}, Delay: 20 * time.Millisecond, Jitter: 20 * time.Millisecond})}
	w.Chaos = netlab.ChaosOptions{Every: 20 * time.Millisecond, Hard: 1, Most: 2, Kinds: []string{"kill", "elect"}}
	w.Length = 3 * time.Second
}

func drawPowerCuts(d *dice, w *Draw) {
	c := &w.Config
	c.Nodes = 3
	slow := oneOf[time.Duration](d, 20, 50, 100) * time.Millisecond
	w.before = []Step{do(fmt.Sprintf("disk all slow %v~%v", slow, slow), netlab.Op{Verb: "disk", Nodes: []string{"all"}, Disk: netlab.DiskSlow, Delay: slow, Jitter: slow})}
	w.Load = load(100, 5, 5)
	w.Chaos = netlab.ChaosOptions{Every: oneOf[time.Duration](d, 50, 100) * time.Millisecond, Hard: 1 + d.below(3), Most: 3, Kinds: []string{"kill"}}
	w.Length = 2 * time.Second
}

func drawChanges(d *dice, w *Draw) {
	c := &w.Config
	c.Nodes = 3
	c.PreVote, c.CheckQuorum, c.IgnoreVotes = false, false, false
	c.Heartbeat, c.ElectionMin, c.ElectionMax = 20*time.Millisecond, 60*time.Millisecond, 120*time.Millisecond
	w.before = []Step{do("slow all 3ms~3ms", netlab.Op{Verb: "slow", Links: []string{"all"}, Delay: 3 * time.Millisecond, Jitter: 3 * time.Millisecond})}
	w.Load = load(20, 2, 3)
	w.Chaos = netlab.ChaosOptions{Every: 60 * time.Millisecond, Hard: 3, Most: 2, Kinds: []string{"partition", "kill"}}
	w.Operate, w.Deeds = 40*time.Millisecond, []string{"members"}
	w.Length = 3 * time.Second
}

func drawOldLeaders(d *dice, w *Draw) {
	c := &w.Config
	c.Nodes, c.CheckQuorum = oneOf(d, 3, 5), false
	w.Load = load(100, 3, 1)
	w.Chaos = netlab.ChaosOptions{Every: 200 * time.Millisecond, Hard: 3, Most: 1 + c.Nodes/2, Kinds: []string{"partition", "cut", "pause"}}
	w.Reads, w.Read = 10*time.Millisecond, netlab.ReadIndex
	w.Length = 3 * time.Second
}

// sceneFigure8 is Figure 8 of the paper: an entry of an earlier term is on a
// majority, and the next leader never had it. That takes a leader whose own no-op
// is on no majority yet, or it would commit the entry rightly: its disk is slow,
// and one follower is not sent it.
func sceneFigure8(d *dice, w *Draw) {
	c := &w.Config
	c.Nodes = 5
	c.PreVote, c.CheckQuorum, c.IgnoreVotes = false, false, false
	appends := &netlab.Match{Kinds: []string{"append"}}
	node := func(verb, id string) Step { return do(verb+" "+id, netlab.Op{Verb: verb, Nodes: []string{id}}) }
	heal := do("heal --all", netlab.Op{Verb: "heal", All: true})
	leads := func(id int) Step {
		cond := fmt.Sprintf("leader == %d", id)
		return given("expect "+cond+" within 5s", netlab.Wait{Cond: cond, Within: 5 * time.Second})
	}
	// A term in which somebody else has the votes comes first.
	twice := func(id string) []Step {
		again := node("elect", id)
		again.After = 20*time.Millisecond + d.upTo(20*time.Millisecond)
		return []Step{node("elect", id), again}
	}
	slow := do("disk 1 slow 60ms", netlab.Op{Verb: "disk", Nodes: []string{"1"}, Disk: netlab.DiskSlow, Delay: 60 * time.Millisecond})
	crash := node("kill", "1")
	crash.After = 15*time.Millisecond + d.upTo(30*time.Millisecond)
	stored := node("kill", "5")
	stored.After = 10 * time.Millisecond
	w.script = []Step{
		node("elect", "1"), leads(1),
		ask("put x 1", netlab.KVOp{Op: "put", Key: "x", Value: "1"}),
		given("expect converged within 5s", netlab.Wait{Cond: "converged", Within: 5 * time.Second}),
		// (a) S1 gets an entry to S2 only, and crashes.
		do("partition 1 2", netlab.Op{Verb: "partition", Sides: [][]string{{"1", "2"}}}),
		ask("put x 2 --timeout 20ms", netlab.KVOp{Op: "put", Key: "x", Value: "2", Timeout: 20 * time.Millisecond}),
		node("kill", "1"), heal,
		// (b) S5 leads, and its entry is on S5 only.
		do("cut 5 to all --kind append", netlab.Op{Verb: "cut", Links: []string{"5", "to", "all"}, Match: appends}),
		node("elect", "5"), leads(5),
		stored, heal,
		// (c) S1 leads again and gets the old entry to S3, too: it is on a majority.
		node("restart", "1"),
		do("cut 1 to 4 --kind append", netlab.Op{Verb: "cut", Links: []string{"1", "to", "4"}, Match: appends}),
	}
	stand := twice("1")
	w.script = append(w.script, stand[0], slow, stand[1], leads(1))
	// (d) It crashes, and S5, which never had the entry, is elected.
	w.script = append(w.script, crash, heal, node("restart", "5"), node("restart", "1"))
	w.script = append(w.script, twice("5")...)
	w.script = append(w.script, leads(5))
}

// The scenes of the rules without which a cluster is safe and does not get on.
// Each ends with what is then wanted of it.

func sceneStart(d *dice, w *Draw) {
	w.Config.Nodes = oneOf(d, 3, 5, 7)
	w.Config.PreVote = false // servers that all ask first never even stand
	w.script = []Step{demand("expect leader != 0 within 30s", netlab.Wait{Cond: "leader != 0", Within: 30 * time.Second})}
}

func sceneNobodyWrites(d *dice, w *Draw) {
	w.Config.Nodes = 3
	cut := func(from, to int) Step {
		return do(fmt.Sprintf("cut %d to %d", from, to), netlab.Op{Verb: "cut", Links: []string{fmt.Sprint(from), "to", fmt.Sprint(to)}})
	}
	w.script = []Step{
		do("elect 1", netlab.Op{Verb: "elect", Nodes: []string{"1"}}),
		given("expect leader == 1 within 5s", netlab.Wait{Cond: "leader == 1", Within: 5 * time.Second}),
		ask("put x 1", netlab.KVOp{Op: "put", Key: "x", Value: "1"}),
		given("expect converged within 5s", netlab.Wait{Cond: "converged", Within: 5 * time.Second}),
		cut(2, 1), cut(3, 1), // what is stored is not told
		ask("put x 2 --timeout 20ms", netlab.KVOp{Op: "put", Key: "x", Value: "2", Timeout: 20 * time.Millisecond}),
		do("kill 1", netlab.Op{Verb: "kill", Nodes: []string{"1"}}),
		do("elect 2", netlab.Op{Verb: "elect", Nodes: []string{"2"}}),
		given("expect leader == 2 within 5s", netlab.Wait{Cond: "leader == 2", Within: 5 * time.Second}),
		demand("expect converged within 30s", netlab.Wait{Cond: "converged", Within: 30 * time.Second}),
	}
}

func sceneDeafFollower(d *dice, w *Draw) {
	w.Config.Nodes = oneOf(d, 3, 5)
	w.Config.IgnoreVotes = false // either rule is enough
	deaf := w.Config.Nodes
	w.script = []Step{
		do("elect 1", netlab.Op{Verb: "elect", Nodes: []string{"1"}}),
		given("expect leader == 1 within 5s", netlab.Wait{Cond: "leader == 1", Within: 5 * time.Second}),
		do(fmt.Sprintf("cut all to %d", deaf), netlab.Op{Verb: "cut", Links: []string{"all", "to", fmt.Sprint(deaf)}}),
		demand("expect leader == 1 for 5s", netlab.Wait{Cond: "leader == 1", For: 5 * time.Second}),
	}
}

func sceneDeafLeader(d *dice, w *Draw) {
	w.Config.Nodes = oneOf(d, 3, 5)
	w.script = []Step{
		do("elect 1", netlab.Op{Verb: "elect", Nodes: []string{"1"}}),
		given("expect leader == 1 within 5s", netlab.Wait{Cond: "leader == 1", Within: 5 * time.Second}),
		do("cut all to 1", netlab.Op{Verb: "cut", Links: []string{"all", "to", "1"}}),
		demand("expect leader != 1 within 5s", netlab.Wait{Cond: "leader != 1", Within: 5 * time.Second}),
	}
}

// load is background writes.
func load(rate float64, clients, keys int) netlab.Op {
	return netlab.Op{Verb: "load", Rate: rate, Clients: clients, Keys: keys}
}

func loadLine(op *netlab.Op) string {
	return fmt.Sprintf("load --rate %g --clients %d --keys %d", op.Rate, op.Clients, op.Keys)
}
