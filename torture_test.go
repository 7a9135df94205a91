package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/node/client"
	"github.com/raftlab/raftlab/node/wire"
)

var (
	tortureSeed   = flag.Uint64("torture.seed", 0, "seed of the torture test; 0 draws one")
	tortureRounds = flag.Int("torture.rounds", 20, "rounds of the torture test")
)

// Goal: whatever happens to processes and network, no acknowledged write is
// lost, no client sees anything but one register per key, and in the end all
// logs are the same. Method: clients write and read all the while, a seeded
// nemesis kills, restarts, cuts and heals for some rounds; then everything is
// repaired, the history is judged by porcupine and the logs are compared.
func TestTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("real processes for a minute: not with -short")
	}
	seed := *tortureSeed
	if seed == 0 {
		seed = rand.Uint64N(1e9) + 1
	}
	t.Logf("replay: go test . -run TestTorture -torture.seed=%d -torture.rounds=%d", seed, *tortureRounds)
	lab := startLab(t, netlab.Config{Nodes: 5, Seed: seed})
	ctx := t.Context()
	waitFor(t, lab, "quorum")

	h := newHistory()
	load, stop := context.WithCancel(ctx)
	var clients sync.WaitGroup
	for id := range 6 {
		clients.Add(1)
		go func() {
			defer clients.Done()
			h.play(load, lab, id, rand.New(rand.NewPCG(seed, uint64(id))))
		}()
	}

	n := &nemesis{t: t, lab: lab, rand: rand.New(rand.NewPCG(seed, 99))}
	for range *tortureRounds {
		n.act(ctx)
		// Some lab time under the new conditions.
		pass := time.Duration(200+n.rand.IntN(400)) * time.Millisecond
		if _, err := lab.Wait(ctx, netlab.Wait{Cond: "true", For: pass}); err != nil {
			t.Fatalf("let %v pass: %v", pass, err)
		}
	}
	n.do(ctx, netlab.Op{Verb: "heal", All: true})
	n.restartDead(ctx)
	waitFor(t, lab, "quorum")
	stop()
	clients.Wait()

	h.readAll(t, lab)
	waitFor(t, lab, "converged")
	h.check(t)
	compareLogs(t, lab)
}

func waitFor(t *testing.T, lab *netlab.Client, cond string) {
	t.Helper()
	res, err := lab.Wait(t.Context(), netlab.Wait{Cond: cond, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatalf("wait %s: %v", cond, err)
	}
	if !res.Holds {
		t.Fatalf("wait %s: %s", cond, res.Seen)
	}
}

// nemesis does harm, in the words of the command line.
type nemesis struct {
	t    *testing.T
	lab  *netlab.Client
	rand *rand.Rand
}

func (n *nemesis) act(ctx context.Context) {
	node := func() string { return strconv.Itoa(1 + n.rand.IntN(5)) }
	if n.down(ctx) > 2 {
		n.restartDead(ctx) // with three down nothing happens: that is one round in this game
		return
	}
	switch n.rand.IntN(12) {
	case 0, 1:
		n.do(ctx, netlab.Op{Verb: "kill", Nodes: []string{"leader"}})
	case 2:
		n.do(ctx, netlab.Op{Verb: "kill", Nodes: []string{node()}})
	case 3, 4:
		n.restartDead(ctx)
	case 5:
		n.do(ctx, netlab.Op{Verb: "partition", Sides: [][]string{{"leader", node()}}})
	case 6:
		a, b := node(), node()
		n.do(ctx, netlab.Op{Verb: "partition", Sides: [][]string{{a}, {b}}})
	case 7:
		n.do(ctx, netlab.Op{Verb: "lose", Links: []string{"all"}, Loss: 0.1})
	case 8:
		n.do(ctx, netlab.Op{Verb: "slow", Links: []string{node()}, Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond})
	case 9:
		n.do(ctx, netlab.Op{Verb: "heal", All: true})
	case 10:
		n.do(ctx, netlab.Op{Verb: "pause", Nodes: []string{"random"}})
	case 11:
		n.do(ctx, netlab.Op{Verb: "resume", Nodes: []string{"all"}})
	}
}

// down counts the nodes that are dead or paused.
func (n *nemesis) down(ctx context.Context) int {
	n.t.Helper()
	st, err := n.lab.Status(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	count := 0
	for _, node := range st.Nodes {
		if node.State != netlab.StateUp {
			count++
		}
	}
	return count
}

// do carries an operation out. What the lab refuses because of its state (no
// leader to kill, one node on two sides) is part of the game.
func (n *nemesis) do(ctx context.Context, op netlab.Op) {
	n.t.Helper()
	res, err := n.lab.Do(ctx, op)
	var told *netlab.Error
	switch {
	case err == nil:
		n.t.Logf("%s: %s", op.Verb, res.Text)
	case errors.As(err, &told) && (told.Code == netlab.ExitConflict || told.Code == netlab.ExitUsage):
		n.t.Logf("%s: %v", op.Verb, err)
	default:
		n.t.Fatalf("%s: %v", op.Verb, err)
	}
}

// restartDead brings back who was killed and lets those run who were paused.
func (n *nemesis) restartDead(ctx context.Context) {
	n.t.Helper()
	n.do(ctx, netlab.Op{Verb: "resume", Nodes: []string{"all"}})
	st, err := n.lab.Status(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, node := range st.Nodes {
		if node.State == netlab.StateDead {
			n.do(ctx, netlab.Op{Verb: "restart", Nodes: []string{strconv.Itoa(node.ID)}})
		}
	}
}

// input and output of one operation, as porcupine's model sees it.
type input struct {
	op              wire.Op
	key, value, old string
}

type output struct {
	value   string
	found   bool
	refused bool // cas on another value
	unknown bool // it may have happened, or may yet
}

// register is one key: what a put, del, cas or incr makes of it and what a get
// may see.
var register = porcupine.Model{
	Partition: func(ops []porcupine.Operation) [][]porcupine.Operation {
		keys := make(map[string][]porcupine.Operation)
		for _, op := range ops {
			k := op.Input.(input).key
			keys[k] = append(keys[k], op)
		}
		var parts [][]porcupine.Operation
		for _, p := range keys {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return output{} },
	Step: func(state, in, out any) (bool, any) {
		now, i, o := state.(output), in.(input), out.(output)
		switch i.op {
		case wire.OpPut:
			return true, output{value: i.value, found: true}
		case wire.OpDel:
			return true, output{}
		case wire.OpCAS:
			fits := now.found && now.value == i.old
			if fits {
				now = output{value: i.value, found: true}
			}
			return o.unknown || o.refused != fits, now
		case wire.OpIncr:
			count, _ := strconv.Atoi(now.value)
			now = output{value: strconv.Itoa(count + 1), found: true}
			return o.unknown || o.value == now.value, now
		}
		return o.unknown || o.found == now.found && o.value == now.value, now
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(in, out any) string {
		return fmt.Sprintf("%+v -> %+v", in, out)
	},
}

// history is what the clients saw.
type history struct {
	start    time.Time
	sessions atomic.Uint64
	mu       sync.Mutex
	ops      []porcupine.Operation
	incrs    struct{ acked, unknown int }
}

func newHistory() *history {
	h := &history{start: time.Now()}
	h.sessions.Store(1 << 40) // far from the lab's own
	return h
}

// play is one client. After an operation whose outcome it does not know it goes
// on as another client.
func (h *history) play(ctx context.Context, lab *netlab.Client, id int, r *rand.Rand) {
	for serial := 0; ctx.Err() == nil; serial++ {
		c := client.New(client.Options{
			Addrs:   func() []string { return clientAddrs(ctx, lab) },
			Session: h.sessions.Add(1),
		})
		for known := true; known && ctx.Err() == nil; {
			known = h.one(ctx, c, id+serial*100, h.draw(r))
		}
		c.Close()
	}
}

// clientAddrs is where the nodes that run take clients now.
func clientAddrs(ctx context.Context, lab *netlab.Client) []string {
	st, err := lab.Status(ctx)
	if err != nil {
		return nil // the caller asks again
	}
	var addrs []string
	for _, n := range st.Nodes {
		if n.State == netlab.StateUp && n.ClientAddr != "" {
			addrs = append(addrs, n.ClientAddr)
		}
	}
	return addrs
}

func (h *history) draw(r *rand.Rand) input {
	i := input{key: string(rune('a' + r.IntN(3))), value: strconv.Itoa(r.IntN(5)), old: strconv.Itoa(r.IntN(5))}
	switch p := r.IntN(10); {
	case p < 3:
		i.op = wire.OpPut
	case p < 4:
		i.op = wire.OpDel
	case p < 6:
		i.op = wire.OpCAS
	case p < 7:
		i.op, i.key = wire.OpIncr, "count"
	default:
		i.op = wire.OpGet
	}
	return i
}

// one does an operation and notes it; false when its outcome is not known.
func (h *history) one(ctx context.Context, c *client.Client, id int, in input) bool {
	// A slow answer is a maybe, so that the others are not held up by it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	call := time.Since(h.start)
	reply, err := c.Do(ctx, wire.Request{Op: in.op, Key: []byte(in.key), Value: []byte(in.value), Old: []byte(in.old)})
	end := time.Since(h.start)
	out := output{value: string(reply.Value), found: reply.Found, refused: err == nil && reply.Code == wire.CodeFailed}
	if err != nil {
		out = output{unknown: true}
		end = 1 << 62 // it may take effect at any later time
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if in.op == wire.OpIncr {
		if err == nil {
			h.incrs.acked++
		} else {
			h.incrs.unknown++
		}
	}
	if err == nil || in.op != wire.OpGet { // a get without an answer tells nothing
		h.ops = append(h.ops, porcupine.Operation{ClientId: id, Input: in, Call: int64(call), Output: out, Return: int64(end)})
	}
	return err == nil
}

// readAll ends the history with a read of each key.
func (h *history) readAll(t *testing.T, lab *netlab.Client) {
	t.Helper()
	c := client.New(client.Options{Addrs: func() []string { return clientAddrs(t.Context(), lab) }, Session: h.sessions.Add(1)})
	defer c.Close()
	for _, key := range []string{"a", "b", "c", "count"} {
		if !h.one(t.Context(), c, 1<<20, input{op: wire.OpGet, key: key}) {
			t.Fatalf("get %s: no answer from the repaired lab", key)
		}
	}
}

func (h *history) check(t *testing.T) {
	t.Helper()
	known, count := 0, ""
	for _, op := range h.ops {
		if !op.Output.(output).unknown {
			known++
		}
		if op.ClientId == 1<<20 && op.Input.(input).key == "count" {
			count = op.Output.(output).value
		}
	}
	t.Logf("%d operations, %d with a known outcome; %d increments acknowledged, %d maybe", len(h.ops), known, h.incrs.acked, h.incrs.unknown)
	if known < 100 {
		t.Errorf("only %d operations came through: the lab was hardly used", known)
	}
	if n, _ := strconv.Atoi(count); n < h.incrs.acked || n > h.incrs.acked+h.incrs.unknown {
		t.Errorf("count = %q after %d acknowledged increments and %d maybe", count, h.incrs.acked, h.incrs.unknown)
	}
	switch porcupine.CheckOperationsTimeout(register, h.ops, time.Minute) {
	case porcupine.Illegal:
		t.Error("the history is not linearizable")
	case porcupine.Unknown:
		t.Error("porcupine could not judge the history within a minute")
	}
}

func compareLogs(t *testing.T, lab *netlab.Client) {
	t.Helper()
	var first *netlab.Log
	for id := 1; id <= 5; id++ {
		log, err := lab.Log(t.Context(), strconv.Itoa(id), 1, 0)
		if err != nil {
			t.Fatalf("log of node %d: %v", id, err)
		}
		if first == nil {
			first = log
			continue
		}
		if len(log.Entries) != len(first.Entries) {
			t.Errorf("S%d has %d entries, S%d has %d", id, len(log.Entries), first.Node, len(first.Entries))
			continue
		}
		for i := range log.Entries {
			if log.Entries[i] != first.Entries[i] {
				t.Errorf("logs differ: S%d has %+v, S%d has %+v", id, log.Entries[i], first.Node, first.Entries[i])
				break
			}
		}
	}
}
