//go:build unix

package netlab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/client"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// heldFor is over how long a stretch of real time a held lab is looked at.
var heldFor = flag.Duration("held", 3*time.Second, "how long TestHeldLabStands looks at a held lab")

// stepOn goes one step, and fails if it moves anybody but the one who takes it.
func (s *started) stepOn(t *testing.T) *Step {
	t.Helper()
	step, _ := s.stepFrom(t, s.see(t))
	return step
}

// stepFrom is stepOn for who has the status before it, and wants the one after.
func (s *started) stepFrom(t *testing.T, before *Status) (step *Step, after *Status) {
	t.Helper()
	res := s.does(t, Op{Verb: "step"})
	if len(res.Steps) != 1 || res.Until != nil {
		t.Fatalf("one step is %+v", res)
	}
	step, after = &res.Steps[0], s.see(t)
	for i := range after.Nodes {
		n, was := after.Nodes[i], before.Nodes[i]
		was.SeenNS = n.SeenNS // each step asks everybody what waits
		if n.ID != step.Node && !reflect.DeepEqual(n, was) {
			t.Fatalf("%q moves S%d from %+v to %+v", step.Text, n.ID, was, n)
		}
	}
	if !after.Clock.Held || after.Clock.LabNS != step.LabNS || step.LabNS < before.Clock.LabNS {
		t.Fatalf("%q of %d leaves the clock, which showed %+v, at %+v", step.Text, step.LabNS, before.Clock, after.Clock)
	}
	s.oneMove(t, step, before, after)
	for _, e := range step.Events {
		if e.Node != step.Node && e.Kind != EventClient && e.Kind != EventBreak && e.Kind != EventFault {
			t.Fatalf("%q at S%d makes something happen elsewhere: %+v", step.Text, step.Node, e)
		}
	}
	return step, after
}

// oneMove fails unless the network moved as a step says: at most one frame came
// to the end of its way, the one that it names, and only the one that takes the
// step sent any.
func (s *started) oneMove(t *testing.T, step *Step, before, after *Status) {
	t.Helper()
	sent := 0
	for i := range after.Links {
		k, was := after.Links[i], before.Links[i]
		left, copies := k.Sent-was.Sent, k.Copies-was.Copies
		switch {
		case k.From == step.Node:
			// What a rule drops as it leaves has ended, too.
			sent += int(left)
			if k.Delivered != was.Delivered || k.Dropped-was.Dropped > left+copies {
				t.Fatalf("%q at S%d ends frames from S%d to S%d: %+v, before %+v", step.Text, step.Node, k.From, k.To, k, was)
			}
		case step.Kind == StepFrame && k.From == step.Peer && k.To == step.Node:
			if left+copies != 0 || k.Delivered+k.Dropped != was.Delivered+was.Dropped+1 || k.Held != was.Held-1 {
				t.Fatalf("%q is one frame from S%d to S%d: %+v, before %+v", step.Text, k.From, k.To, k, was)
			}
		case left+copies != 0 || k.Delivered != was.Delivered || k.Dropped != was.Dropped || k.Held != was.Held || k.OnHold != was.OnHold:
			t.Fatalf("%q at S%d moves something from S%d to S%d: %+v, before %+v", step.Text, step.Node, k.From, k.To, k, was)
		}
	}
	if sent != step.Sent {
		t.Fatalf("%q says that S%d sends %d, and %d left", step.Text, step.Node, step.Sent, sent)
	}
}

// has tells whether an event of a kind came of a step, whose text has words.
func (s *Step) has(kind, words string) bool {
	for _, e := range s.Events {
		if e.Kind == kind && strings.Contains(e.Text, words) {
			return true
		}
	}
	return false
}

// everything is all that can be read of a lab, but for when it was read.
func (s *started) everything(t *testing.T) string {
	t.Helper()
	ctx := t.Context()
	status := s.see(t)
	frames, err := s.Frames(ctx, FrameQuery{Limit: framesKept})
	if err != nil {
		t.Fatal(told(err))
	}
	held, err := s.Frames(ctx, FrameQuery{Held: true})
	if err != nil {
		t.Fatal(told(err))
	}
	events, err := s.Events(ctx, EventQuery{})
	if err != nil {
		t.Fatal(told(err))
	}
	all := []any{status, frames, held, events}
	for _, n := range status.Nodes {
		log, err := s.Log(ctx, fmt.Sprint(n.ID), 0, 0)
		if err != nil {
			t.Fatal(told(err))
		}
		all = append(all, log)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A held lab is the same however often and however long it is looked at, also
// when it was held in the middle of work: 1000 times over a minute with
// -held 60s, as .ci/run has it.
func TestHeldLabStands(t *testing.T) {
	looks, over := 1000, *heldFor
	if testing.Short() {
		looks, over = 100, over/10
	}
	config := testConfig(t)
	config.Nodes = 5
	// S1 leads from here to the end, however busy the machine is.
	config.ElectionMin, config.ElectionMax = 20*time.Second, 30*time.Second
	s := startLab(t, config)
	s.does(t, Op{Verb: "elect", Nodes: []string{"1"}})
	s.waits(t, "quorum")
	s.does(t, Op{Verb: "load", Rate: 5000, Clients: 32})
	s.waits(t, "commit > 200")
	s.does(t, Op{Verb: "frame", Action: FrameHold, Links: []string{"1", "to", "2"}, Match: &Match{Kinds: []string{"append"}}})
	s.waits(t, "any(links, .on_hold > 0)")
	s.does(t, Op{Verb: "hold"})
	whole := s.everything(t)
	// Who comes now is told what waits, which nobody tells again.
	seen := errors.New("seen")
	if err := s.Stream(t.Context(), StreamOptions{Frames: true}, func(u Update) error {
		held := 0
		for _, f := range u.Frames {
			held += count(f.Held)
		}
		if waits := inFlight(u.Status); held == 0 || len(u.Frames) != min(waits, framesMax) {
			t.Errorf("a stream begins with %d frames, %d of them held, of %d", len(u.Frames), held, waits)
		}
		return seen
	}); !errors.Is(err, seen) {
		t.Fatal(err)
	}
	var first []byte
	tick := time.NewTicker(max(over/time.Duration(looks), time.Microsecond))
	defer tick.Stop()
	for i := range looks {
		<-tick.C
		picture, err := json.Marshal(s.see(t))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = picture
		} else if !bytes.Equal(picture, first) {
			t.Fatalf("look %d of %d in %v:\n%s\nbefore:\n%s", i, looks, over, picture, first)
		}
	}
	if now := s.everything(t); now != whole {
		at := 0
		for at < min(len(now), len(whole)) && now[at] == whole[at] {
			at++
		}
		at = max(at-500, 0)
		t.Errorf("after %v: … %.2000s\nbefore: … %.2000s", over, now[at:], whole[at:])
	}
	s.does(t, Op{Verb: "heal"})
	if now := s.see(t); !now.Clock.Held || now.Commit != s.see(t).Commit {
		t.Errorf("healed, it goes on: %+v", now)
	}
	s.does(t, Op{Verb: "release"})
	commit := s.see(t).Commit
	s.waits(t, fmt.Sprintf("commit > %d", commit+100))
	s.does(t, Op{Verb: "load", Stop: true})
	if last := s.see(t).LoadLast; last.Failed != 0 {
		t.Errorf("%d writes were lost: %+v", last.Failed, last)
	}
}

// 500 steps from the death of a leader on are what the paper says, in its order:
// a follower times out, stands, is given votes, leads, has its first entry stored
// and committed, and goes on with heartbeats.
func TestStepsReplayAnElection(t *testing.T) {
	config := testConfig(t)
	config.Nodes = 5
	s := startLab(t, config)
	s.waits(t, "converged")
	s.does(t, Op{Verb: "hold"})
	// All hear of the leader at one time, for the last time: who has not for long
	// enough to stand finds nobody who would refuse for having heard it later.
	for s.stepOn(t).Timer != raft.TimerHeartbeat.String() {
	}
	for inFlight(s.see(t)) > 0 {
		s.stepOn(t)
	}
	old := s.see(t)
	if old.Leader == 0 {
		t.Fatalf("nobody leads: %+v", old)
	}
	s.does(t, Op{Verb: "kill", Nodes: []string{"leader"}})

	count := 500
	var past []string
	next := func() *Step {
		count--
		p := s.stepOn(t)
		past = append(past, fmt.Sprintf("%d %s", p.LabNS, p.Text))
		return p
	}
	step := next()
	for step.Kind != StepTimer { // what was under way when it was held
		step = next()
	}
	id, at, term := step.Node, step.LabNS, old.Term
	if step.Timer != raft.TimerElection.String() || !step.has(EventTimeout, "election timeout") || !step.has(EventRole, "pre-vote") || step.Sent != 4 {
		t.Fatalf("it begins with %+v", step)
	}
	if s.see(t).node(id).Term != term {
		t.Errorf("S%d has raised its term before it knows that it could win", id)
	}
	// Every stage begins in a step that takes in a message of the one before.
	stages := []struct {
		name  string
		frame string
		takes bool // the candidate does
		stage func(*Step) bool
	}{
		{"somebody would vote for it", wire.KindPreVote.String(), false, func(p *Step) bool { return p.has(EventVote, fmt.Sprintf("would vote for S%d", id)) }},
		{"a majority says that it could win, and it stands", wire.KindPreVoteReply.String(), true, func(p *Step) bool {
			return p.has(EventRole, fmt.Sprintf("stands in term %d", term+1)) && p.Sent == 4
		}},
		{"a vote is given", wire.KindVote.String(), false, func(p *Step) bool { return p.has(EventVote, fmt.Sprintf("votes for S%d in term %d", id, term+1)) }},
		{"it has won, and leads", wire.KindVoteReply.String(), true, func(p *Step) bool {
			return p.has(EventElected, fmt.Sprintf("won term %d", term+1)) && p.has(EventAppend, "into its log") && p.Sent == 4
		}},
		{"its first entry is stored", wire.KindAppend.String(), false, func(p *Step) bool { return p.has(EventAppend, fmt.Sprintf("from S%d", id)) && p.Sent == 1 }},
		{"it is committed", wire.KindAppendReply.String(), true, func(p *Step) bool { return p.has(EventCommit, "committed") }},
	}
	won := 0
	for i := 0; i < len(stages); {
		if count == 0 {
			t.Fatalf("never: %s", stages[i].name)
		}
		step := next()
		g := &stages[i]
		if !g.stage(step) {
			for _, later := range stages[i+1:] {
				if later.stage(step) {
					t.Fatalf("%q comes before %q:\n%s\n%+v", later.name, g.name, strings.Join(past, "\n"), step)
				}
			}
			continue
		}
		if step.Kind != StepFrame || step.Frame.Kind != g.frame || (step.Node == id) != g.takes || step.LabNS != at {
			t.Errorf("%q comes of %+v", g.name, step)
		}
		if i == 3 {
			won = count
		}
		i++
	}
	if won == 0 || s.see(t).Leader != id || s.see(t).Term != term+1 {
		t.Fatalf("it is %+v", s.see(t))
	}
	// From here on it is heartbeats and their answers, all due at exact times.
	beat := int64(0)
	for count > 0 {
		step := next()
		switch {
		case step.Kind == StepTimer && step.Timer == raft.TimerHeartbeat.String():
			if beat != 0 && step.LabNS != beat+int64(config.Heartbeat) {
				t.Fatalf("a heartbeat at %d, the one before at %d", step.LabNS, beat)
			}
			beat = step.LabNS
			if step.Node != id || step.Sent != 4 {
				t.Errorf("a heartbeat is %+v", step)
			}
		case step.Kind == StepTimer && step.Node != id:
			t.Fatalf("with a leader that is heard, %+v", step)
		case step.Kind == StepFrame && step.Frame.Reason != "":
			if step.Node != old.Leader || step.Frame.Reason != "dead node" {
				t.Errorf("dropped: %+v", step)
			}
		case step.has(EventRole, ""), step.has(EventTimeout, ""), step.has(EventElected, ""):
			if step.LabNS != at { // the last of its voters still learn of it
				t.Fatalf("with a leader that is heard, %+v", step)
			}
		}
	}
	if beat == 0 {
		t.Error("it never sends a heartbeat")
	}
	s.does(t, Op{Verb: "release"})
	s.waits(t, "converged")
}

// Steps go by what the network is made to do, and by who runs.
func TestStepsThroughFaults(t *testing.T) {
	s := startLab(t, testConfig(t))
	s.waits(t, "converged")
	s.does(t, Op{Verb: "hold"})
	leader := s.see(t).Leader
	others := make([]int, 0, 2)
	for _, n := range s.see(t).Nodes {
		if n.ID != leader {
			others = append(others, n.ID)
		}
	}
	// until goes on to a step that is such.
	until := func(what string, is func(*Step) bool) *Step {
		t.Helper()
		for range 200 {
			if p := s.stepOn(t); is(p) {
				return p
			}
		}
		t.Fatalf("200 steps and never %s", what)
		return nil
	}
	beat := func(p *Step) bool { return p.Kind == StepTimer && p.Timer == "heartbeat" }
	frame := func(to int, kind string) func(*Step) bool {
		return func(p *Step) bool { return p.Kind == StepFrame && p.Node == to && p.Frame.Kind == kind }
	}

	// A delay is kept to the nanosecond of the lab clock.
	s.does(t, Op{Verb: "slow", Links: []string{"all"}, Delay: 7 * time.Millisecond})
	sent := until("a heartbeat", beat)
	for _, id := range others {
		if got := until("its arrival", frame(id, "heartbeat")); got.Frame.LeftNS != sent.LabNS || got.LabNS != sent.LabNS+7e6 {
			t.Errorf("sent at %d, it arrives at %d: %+v", sent.LabNS, got.LabNS, got.Frame)
		}
	}
	s.does(t, Op{Verb: "heal", All: true})

	// A wall stops what is under way, too, and a step says so.
	until("a heartbeat", beat)
	s.does(t, Op{Verb: "partition", Sides: [][]string{{"leader"}}})
	if p := until("the heartbeat at the wall", frame(others[0], "heartbeat")); p.Frame.Reason != "wall" || len(p.Events) > 0 || !strings.Contains(p.Text, "does not get to") {
		t.Errorf("%+v", p)
	}
	s.does(t, Op{Verb: "heal"})

	// A paused node takes nothing in, and finds it when it is resumed.
	paused := others[0]
	s.does(t, Op{Verb: "pause", Nodes: []string{fmt.Sprint(paused)}})
	if p := until("a heartbeat for the one that is paused", frame(paused, "heartbeat")); !strings.Contains(p.Text, "which is paused") || len(p.Events) > 0 {
		t.Errorf("%+v", p)
	}
	s.does(t, Op{Verb: "resume", Nodes: []string{fmt.Sprint(paused)}})
	if p := until("the heartbeat it finds", func(p *Step) bool { return p.Kind == StepMessage }); p.Node != paused || p.Peer != leader || !strings.Contains(p.Text, "had come already") {
		t.Errorf("%+v", p)
	}

	// A frame that is damaged is refused, one that comes twice is two steps.
	s.does(t, Op{Verb: "corrupt", Links: []string{"leader", "to", fmt.Sprint(paused)}, Share: 1})
	until("a heartbeat", beat)
	if p := until("the damaged heartbeat", frame(paused, "heartbeat")); !strings.Contains(p.Text, "damaged, and is refused there") || len(p.Events) != 1 {
		t.Errorf("%+v", p)
	}
	s.does(t, Op{Verb: "heal", All: true})
	s.does(t, Op{Verb: "duplicate", Links: []string{"leader", "to", fmt.Sprint(paused)}, Share: 1})
	until("a heartbeat", beat)
	first, second := until("the heartbeat", frame(paused, "heartbeat")), until("its copy", frame(paused, "heartbeat"))
	if first.Frame.Number != second.Frame.Number || first.Frame.ID == second.Frame.ID || second.LabNS != first.LabNS || first.Sent != 1 || second.Sent != 1 {
		t.Errorf("%+v and %+v", first, second)
	}
	s.does(t, Op{Verb: "heal", All: true})

	// A frame that somebody lets go on a held clock has come, and is taken in next.
	s.does(t, Op{Verb: "frame", Action: "hold", Links: []string{"leader", "to", fmt.Sprint(paused)}})
	until("a heartbeat", beat)
	until("the other's", frame(others[1], "heartbeat"))
	s.does(t, Op{Verb: "frame", Action: "release", All: true})
	if p := until("the one that was held", func(p *Step) bool { return p.Kind == StepMessage }); p.Node != paused || p.Peer != leader {
		t.Errorf("%+v", p)
	}
	s.does(t, Op{Verb: "heal", All: true})

	// One that dies is no more in it; restarted it stands like the others.
	s.does(t, Op{Verb: "kill", Nodes: []string{fmt.Sprint(paused)}})
	if p := until("a heartbeat for the dead", frame(paused, "heartbeat")); p.Frame.Reason != "dead node" {
		t.Errorf("%+v", p)
	}
	s.does(t, Op{Verb: "restart", Nodes: []string{fmt.Sprint(paused)}})
	if n := s.see(t).node(paused); n.Leader != 0 || n.Role != RoleFollower {
		t.Errorf("restarted in a held lab it is %+v", n)
	}
	until("a heartbeat it takes in", func(p *Step) bool { return p.Node == paused && p.has(EventRole, fmt.Sprintf("follows S%d", leader)) })

	// A client's request is a step, and so is everything on its way to the answer.
	answered := make(chan error, 1)
	go func() {
		r, err := s.KV(context.WithoutCancel(t.Context()), KVOp{Op: "put", Key: "x", Value: "1", Timeout: 20 * time.Second})
		if err == nil && r.Leader != leader {
			err = fmt.Errorf("%+v", r)
		}
		answered <- err
	}()
	asked := until("the put", func(p *Step) bool { return p.Kind == StepRequest })
	if asked.Node != leader || !strings.Contains(asked.Text, "put x=1") || !asked.has(EventAppend, "into its log") || asked.Sent != 2 {
		t.Errorf("%+v", asked)
	}
	until("its commit", func(p *Step) bool { return p.has(EventCommit, "committed") })
	if err := <-answered; err != nil {
		t.Error(told(err))
	}
	s.does(t, Op{Verb: "release"})
	s.waits(t, "converged")
}

// A lab that is held and released in the middle of work, with 256 requests under
// way, loses none of them and does none twice, also when it was held for so long
// that clients asked once more: each is answered once, with a count of its own.
func TestHoldUnderLoadLosesNothing(t *testing.T) {
	s := startLab(t, testConfig(t))
	s.waits(t, "converged")
	var addrs []string
	for _, n := range s.see(t).Nodes {
		addrs = append(addrs, n.ClientAddr)
	}
	const clients, outstanding, patience = 4, 64, 50 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	var answers [clients]map[string]int // how often each count was the answer
	var group sync.WaitGroup
	for i := range clients {
		answers[i] = make(map[string]int)
		c := client.New(client.Options{Addrs: client.Fixed(addrs...), Session: uint64(100 + i), Seed: uint64(i), Patience: patience})
		defer c.Close()
		for range outstanding {
			group.Go(func() {
				for ctx.Err() == nil {
					// Whatever is begun is waited for.
					r, err := c.Do(context.WithoutCancel(ctx), wire.Request{Op: wire.OpIncr, Key: fmt.Appendf(nil, "count%d", i)})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					answers[i][string(r.Value)]++
					mu.Unlock()
				}
			})
		}
	}
	const holds = 8
	for i := range holds {
		commit := s.see(t).Commit
		s.waits(t, fmt.Sprintf("commit > %d", commit+500))
		s.does(t, Op{Verb: "hold"})
		before := s.see(t)
		if i == holds/2 {
			<-time.After(10 * patience)
		}
		if now := s.see(t); !reflect.DeepEqual(before, now) {
			t.Errorf("held, it goes from %+v to %+v", before, now)
		}
		if i%2 == 0 {
			s.does(t, Op{Verb: "step", Count: 20})
		}
		s.does(t, Op{Verb: "release"})
	}
	stop()
	group.Wait()
	for i, counts := range answers {
		for n := range len(counts) {
			if times := counts[fmt.Sprint(n+1)]; times != 1 {
				t.Errorf("client %d was told %d times that it has counted to %d", i, times, n+1)
			}
		}
		r, err := s.KV(context.WithoutCancel(t.Context()), KVOp{Op: "get", Key: fmt.Sprintf("count%d", i)})
		if err != nil || r.Value != fmt.Sprint(len(counts)) || len(counts) == 0 {
			t.Errorf("client %d was given %d answers, the cluster says %+v, %s", i, len(counts), r, told(err))
		}
	}
}

// In slow motion everything takes as much longer: timers, delays, and what a
// scenario waits for.
func TestSlowMotion(t *testing.T) {
	s := startLab(t, testConfig(t))
	s.waits(t, "converged")
	s.does(t, Op{Verb: "speed", Rate: 0.1})
	begin, killed := time.Now(), s.see(t).Clock.LabNS
	old := s.see(t).Leader
	s.does(t, Op{Verb: "kill", Nodes: []string{"leader"}})
	s.waits(t, fmt.Sprintf("leader != 0 and leader != %d", old))
	real := time.Since(begin)
	page, err := s.Events(t.Context(), EventQuery{SinceNS: killed})
	if err != nil {
		t.Fatal(err)
	}
	elected := int64(0)
	for _, e := range page {
		if e.Kind == EventElected && elected == 0 {
			elected = e.LabNS
		}
	}
	if lab := time.Duration(elected - killed); lab < 100*time.Millisecond || real < 9*lab {
		t.Errorf("elected after %v of lab time and %v of real time, at a tenth of the speed", lab, real)
	}
	s.does(t, Op{Verb: "slow", Links: []string{"all"}, Delay: 10 * time.Millisecond})
	begin = time.Now()
	if _, err := s.KV(t.Context(), KVOp{Op: "put", Key: "x", Value: "1", Timeout: 20 * time.Second}); err != nil {
		t.Fatal(told(err))
	}
	if real := time.Since(begin); real < 200*time.Millisecond {
		t.Errorf("a put over links of 10 ms takes %v at a tenth of the speed", real)
	}
	s.does(t, Op{Verb: "heal", All: true})
	s.waits(t, "sum(links, .held) == 0") // what is under way keeps its time

	// A thousand times slower nothing is due for minutes, and what needs no time works.
	s.does(t, Op{Verb: "speed", Rate: SpeedMin})
	begin = time.Now()
	from := s.see(t).Clock
	for i := range 20 {
		if _, err := s.KV(t.Context(), KVOp{Op: "put", Key: "x", Value: fmt.Sprint(i), Timeout: 20 * time.Second}); err != nil {
			t.Fatal(told(err))
		}
	}
	to := s.see(t).Clock
	if passed, real := time.Duration(to.LabNS-from.LabNS), time.Since(begin); to.Rate != 0.001 || passed <= 0 || passed > real/1000+time.Microsecond {
		t.Errorf("%v of real time are %v of lab time: %+v", real, passed, to)
	}
	s.does(t, Op{Verb: "hold"})
	at := s.see(t).Clock.LabNS
	for range 5 {
		s.stepOn(t)
	}
	if now := s.see(t).Clock; now.LabNS <= at || now.Rate != 0.001 {
		t.Errorf("steps at a thousandth: from %d to %+v", at, now)
	}
	s.does(t, Op{Verb: "speed", Rate: 1})
	s.does(t, Op{Verb: "release"})
	s.waits(t, "converged")
}

// A breakpoint holds a real lab while what it looks for is still to be seen.
func TestBreaksHoldALab(t *testing.T) {
	config := testConfig(t)
	config.Nodes, config.CheckQuorum = 5, false
	s := startLab(t, config)
	s.waits(t, "converged")
	broke := func(cond string) *Status {
		t.Helper()
		s.waits(t, "held")
		now := s.see(t)
		if now.Clock.Break == nil || now.Clock.Break.Cond != cond {
			t.Fatalf("held by %+v, want %s", now.Clock.Break, cond)
		}
		return now
	}
	goOn := func() {
		t.Helper()
		s.does(t, Op{Verb: "break", Stop: true})
		s.does(t, Op{Verb: "release"})
	}
	old := s.see(t).Leader
	s.does(t, Op{Verb: "break", Cond: "two-leaders"})
	s.does(t, Op{Verb: "break", Cond: "term == 9999"})
	s.does(t, Op{Verb: "partition", Sides: [][]string{{"leader"}}})
	now := broke("two-leaders")
	leaders := 0
	for _, n := range now.Nodes {
		leaders += count(n.Role == RoleLeader)
	}
	if leaders != 2 || now.Breaks[1].Hits != 0 {
		t.Errorf("%d leaders: %+v", leaders, now.Breaks)
	}
	if again := s.see(t); !reflect.DeepEqual(again.Nodes, s.see(t).Nodes) {
		t.Error("it goes on")
	}
	goOn()

	// The old leader takes a command it cannot commit, and drops it when it hears
	// of the new one.
	s.does(t, Op{Verb: "break", Cond: fmt.Sprintf("S%d.pending > 0", old)})
	lost := make(chan error, 1)
	go func() {
		_, err := s.KV(context.WithoutCancel(t.Context()), KVOp{Op: "put", Key: "lost", Value: "1", Node: fmt.Sprint(old), Timeout: 20 * time.Second})
		lost <- err
	}()
	broke(fmt.Sprintf("S%d.pending > 0", old))
	goOn()
	s.does(t, Op{Verb: "break", Cond: "truncated"})
	s.does(t, Op{Verb: "heal"})
	now = broke("truncated")
	if !strings.Contains(now.Clock.Break.Seen, fmt.Sprintf("S%d drops", old)) || now.node(old).Role != RoleFollower {
		t.Errorf("%+v: %+v", now.Clock.Break, now.node(old))
	}
	goOn()
	if err := <-lost; err != nil { // the client has asked the new leader
		t.Error(told(err))
	}
	s.waits(t, "converged")

	// Nothing commits without a majority, and the leader has something to commit.
	s.does(t, Op{Verb: "break", Cond: "commit-stalled"})
	leader := s.see(t).Leader
	for _, n := range s.see(t).Nodes {
		if n.ID != leader && n.ID != old {
			s.does(t, Op{Verb: "pause", Nodes: []string{fmt.Sprint(n.ID)}})
		}
	}
	stalled := make(chan error, 1)
	go func() {
		_, err := s.KV(context.WithoutCancel(t.Context()), KVOp{Op: "put", Key: "x", Value: "1", Timeout: 20 * time.Second})
		stalled <- err
	}()
	now = broke("commit-stalled")
	if n := now.node(leader); n.LastIndex <= n.Commit {
		t.Errorf("%+v: %+v", now.Clock.Break, n)
	}
	goOn()
	s.does(t, Op{Verb: "resume", Nodes: []string{"all"}})
	if err := <-stalled; err != nil {
		t.Error(told(err))
	}
	s.waits(t, "converged")

	// Steps stop at a breakpoint.
	s.does(t, Op{Verb: "hold"})
	s.does(t, Op{Verb: "break", Cond: "leader-change"})
	s.does(t, Op{Verb: "kill", Nodes: []string{"leader"}})
	res := s.does(t, Op{Verb: "step", Count: 500})
	if res.Break == nil || res.Break.Cond != "leader-change" || len(res.Steps) == 500 || !res.Steps[len(res.Steps)-1].has(EventElected, "won") {
		t.Errorf("%+v", res)
	}
	// And at a condition, or say that it did not come true.
	res = s.does(t, Op{Verb: "step", Until: fmt.Sprintf("commit > %d", s.see(t).Commit), Count: 500})
	if res.Until == nil || !res.Until.Holds || len(res.Steps) == 0 || !res.Steps[len(res.Steps)-1].has(EventCommit, "committed") {
		t.Errorf("%+v", res)
	}
	res = s.does(t, Op{Verb: "step", Until: "term == 9999", Count: 5})
	if res.Until == nil || res.Until.Holds || len(res.Steps) != 5 || !strings.HasPrefix(res.Until.Seen, "term ") {
		t.Errorf("%+v", res)
	}
	// Who asked for many and left finds the lab at rest.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Do(ctx, Op{Verb: "step", Until: "term == 9999"}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	s.does(t, Op{Verb: "step"}) // behind the one that had begun
	s.stepOn(t)
}

// What faults do to the frames of a step, and which faults are over when it
// comes, is told with that step, not with a later one.
func TestStepsTellWhatFaultsDo(t *testing.T) {
	config := testConfig(t)
	config.ElectionMin, config.ElectionMax = 5*time.Second, 6*time.Second
	s := startLab(t, config)
	s.does(t, Op{Verb: "elect", Nodes: []string{"1"}})
	s.waits(t, "converged")
	s.does(t, Op{Verb: "hold"})
	other := fmt.Sprint(s.see(t).Leader%3 + 1)
	beat := func() *Step {
		t.Helper()
		for range 100 {
			if p := s.stepOn(t); p.Timer == raft.TimerHeartbeat.String() {
				return p
			}
		}
		t.Fatal("100 steps and no heartbeat")
		return nil
	}
	s.does(t, Op{Verb: "frame", Action: FrameHold, Links: []string{"leader"}, Match: &Match{Kinds: []string{"heartbeat"}}})
	if p := beat(); !p.has(EventFault, "held: frame") || inFlight(s.see(t)) != 2 || len(p.Events) != 2 {
		t.Errorf("%+v", p)
	}
	s.does(t, Op{Verb: "frame", Action: FrameDrop, All: true})
	s.does(t, Op{Verb: "heal"})
	s.does(t, Op{Verb: "cut", Links: []string{"leader", "to", other}, Match: &Match{Kinds: []string{"heartbeat"}, Next: 1}})
	if p := beat(); !p.has(EventFault, "is spent") || p.Sent != 2 || inFlight(s.see(t)) != 1 {
		t.Errorf("%+v", p)
	}
	from := s.see(t)
	s.does(t, Op{Verb: "lose", Links: []string{"leader"}, Loss: 1, For: 70 * time.Millisecond})
	if p := beat(); len(s.see(t).Faults) != 1 || p.LabNS != from.Clock.LabNS+50e6 {
		t.Errorf("%+v, %+v", p, s.see(t).Faults)
	}
	p := beat()
	events, err := s.Events(t.Context(), EventQuery{After: from.LastEvent})
	if err != nil {
		t.Fatal(told(err))
	}
	over := slices.IndexFunc(events, func(e Event) bool { return strings.Contains(e.Text, "has ended after 70ms") })
	if over < 0 || events[over].LabNS != p.LabNS || !strings.HasPrefix(events[over+1].Text, "step: ") || inFlight(s.see(t)) != 2 {
		t.Errorf("%+v at %d among %+v", p, over, events)
	}

	// With nobody alive there is still something to let go.
	s.does(t, Op{Verb: "frame", Action: FrameHold, Links: []string{"leader"}})
	beat()
	s.does(t, Op{Verb: "kill", Nodes: []string{"all"}})
	for {
		_, err := s.Do(t.Context(), Op{Verb: "step"})
		if err == nil {
			continue
		}
		if e := new(Error); !errors.As(err, &e) || e.Code != ExitConflict || !strings.Contains(e.Message, "of messages there are only") || !strings.Contains(e.Hint, "raftlab frames --held") {
			t.Error(told(err))
		}
		break
	}
	s.does(t, Op{Verb: "heal", All: true})
	if p := s.stepOn(t); p.Kind != StepFrame || p.Frame.Reason != "dead node" {
		t.Errorf("%+v", p)
	}
}
