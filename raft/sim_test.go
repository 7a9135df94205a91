package raft_test

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run only the schedule of this seed, and print it")
	simCount = flag.Int("sim.count", 1500, "how many schedules to run")
	simFirst = flag.Uint64("sim.first", 1, "the first schedule's seed")
)

const (
	ms    = 1_000_000    // of a raft.Duration
	peace = 120_000 * ms // after the faults, at most

	chaosSteps = 1500 // of a schedule, at most, before the faults end
)

// TestSim runs clusters through random schedules: messages lost, doubled,
// late and out of order, servers crashed with what their disks had not synced,
// paused, cut off, all drawn from one seed. After every step Figure 3's
// properties are checked. Then the network heals, all servers come up, and the
// cluster must get on.
func TestSim(t *testing.T) {
	if *simSeed != 0 {
		s := newSim(*simSeed)
		s.trace = func(line string) { t.Log(line) }
		t.Logf("%+v", s.draw)
		if err := s.run(); err != nil {
			t.Fatal(err)
		}
		return
	}
	count := *simCount
	if testing.Short() || raceDetector {
		count /= 10
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var total simStats
	for k := range count {
		s := newSim(*simFirst + uint64(k))
		if err := s.run(); err != nil {
			t.Fatalf("%v\nat %d ms of %+v\nreplay: go test ./raft -run TestSim -sim.seed=%d", err, s.now/ms, s.draw, s.draw.seed)
		}
		total.add(s.stats)
	}
	t.Logf("%d schedules: %+v", count, total)
	if total.Truncations == 0 || total.Reads == 0 || total.Split == 0 || total.Backups == 0 {
		t.Errorf("the schedules do not reach what they are to test: %+v", total)
	}
	total.checkFigure4(t)
}

// draw is what a schedule is drawn with, from its seed.
type draw struct {
	seed              uint64
	servers           int
	preVote           bool
	lossPct, dupPct   int
	delay, diskDelay  raft.Duration // the longest
	faultEvery        raft.Duration // on average
	proposeEvery      raft.Duration // on average
	inflight          int
	appendBytes       int
	cachedBytes       int
	tellAfter         raft.Duration
	lazyPct           int // of inputs, after which the Ready is taken later
	chaos             raft.Duration
	crash, cut, pause bool // which faults there are
}

func drawFrom(seed uint64, r *rand.Rand) draw {
	d := draw{
		seed:         seed,
		servers:      []int{1, 2, 3, 3, 3, 4, 5, 5, 5, 7}[r.IntN(10)],
		preVote:      r.IntN(2) == 0,
		lossPct:      []int{0, 2, 10, 30}[r.IntN(4)],
		dupPct:       []int{0, 5, 20}[r.IntN(3)],
		delay:        raft.Duration([]int{1, 10, 40, 120}[r.IntN(4)]) * ms,
		diskDelay:    raft.Duration([]int{1, 5, 30, 200}[r.IntN(4)]) * ms,
		faultEvery:   raft.Duration([]int{50, 150, 400, 1500}[r.IntN(4)]) * ms,
		proposeEvery: raft.Duration([]int{2, 10, 50}[r.IntN(3)]) * ms,
		inflight:     []int{1, 2, 8, 64}[r.IntN(4)],
		appendBytes:  []int{1, 200, 1000, 1 << 20}[r.IntN(4)],
		cachedBytes:  []int{1, 500, 1 << 20}[r.IntN(3)],
		tellAfter:    raft.Duration([]int{0, 2, 15}[r.IntN(3)]) * ms,
		lazyPct:      []int{0, 30, 80}[r.IntN(3)],
		chaos:        raft.Duration(1+r.IntN(4)) * 500 * ms,
		crash:        r.IntN(4) > 0,
		cut:          r.IntN(4) > 0,
		pause:        r.IntN(4) == 0,
	}
	if r.IntN(4) == 0 {
		// Figure 8's weather: entries trickle one by one, and leaders are short-lived.
		d.servers, d.inflight, d.appendBytes, d.crash = 5, 1, 1, true
		d.faultEvery, d.proposeEvery, d.diskDelay, d.chaos = 50*ms, 50*ms, 5*ms, 3000*ms
	}
	return d
}

// simStats counts what schedules reached.
type simStats struct {
	Steps, Elections, Split, Commits, Crashes, Truncations, Backups, Held, Reads int

	Roles [4][4]int // how often a server went from one role to another
}

func (a *simStats) add(b simStats) {
	a.Steps += b.Steps
	a.Elections += b.Elections
	a.Split += b.Split
	a.Commits += b.Commits
	a.Crashes += b.Crashes
	a.Truncations += b.Truncations
	a.Backups += b.Backups
	a.Held += b.Held
	a.Reads += b.Reads
	for from := range a.Roles {
		for to := range a.Roles[from] {
			a.Roles[from][to] += b.Roles[from][to]
		}
	}
}

// checkFigure4 demands that every transition of Figure 4 happened, with those
// of PreVote between follower and candidate, and no other.
func (a *simStats) checkFigure4(t *testing.T) {
	const f, p, c, l = raft.Follower, raft.PreCandidate, raft.Candidate, raft.Leader
	figure4 := map[[2]raft.Role]bool{
		{f, f}: true, {f, p}: true, {f, c}: true,
		{p, f}: true, {p, p}: true, {p, c}: true,
		{c, f}: true, {c, p}: true, {c, c}: true, {c, l}: true,
		{l, f}: true,
	}
	for from := f; from <= l; from++ {
		for to := f; to <= l; to++ {
			if n := a.Roles[from][to]; (n > 0) != figure4[[2]raft.Role{from, to}] {
				t.Errorf("%d times from %v to %v", n, from, to)
			}
		}
	}
}

// sim is one schedule: everything that is to happen, in the order of its time.
type sim struct {
	draw    draw
	rand    *rand.Rand
	now     raft.Time
	queue   happenings
	counter uint64
	servers []*simServer
	check   *checker
	healed  bool
	open    map[[2]raft.NodeID]bool // links that are cut
	number  int                     // of the last proposal
	goal    int                     // entries that all must have applied in the end
	stats   simStats
	trace   func(string)
	err     error

	sabotage *sabotage // nil: all servers are correct
}

// simServer is a server in a schedule.
type simServer struct {
	*server
	pausedUntil raft.Time
	tickAt      raft.Time
	readyAt     raft.Time // when a postponed Ready is taken, 0 when none is
	syncing     bool
	role        raft.Role // by its events
}

// happening is something that is to happen.
type happening struct {
	at    raft.Time
	order uint64
	do    func()
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, k int) bool {
	return h[i].at < h[k].at || h[i].at == h[k].at && h[i].order < h[k].order
}
func (h happenings) Swap(i, k int) { h[i], h[k] = h[k], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = happening{}
	*h = old[:len(old)-1]
	return x
}

func newSim(seed uint64) *sim {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &sim{draw: drawFrom(seed, r), rand: r, open: map[[2]raft.NodeID]bool{}}
	var voters []raft.NodeID
	for k := range s.draw.servers {
		voters = append(voters, raft.NodeID(k+1))
	}
	var plain []*server
	for _, id := range voters {
		srv := &server{id: id, cfg: raft.Config{
			ID: id, Members: raft.Configuration{Voters: voters},
			Heartbeat: 20 * ms, ElectionMin: 60 * ms, ElectionMax: 120 * ms,
			PreVote: s.draw.preVote, Seed: seed, TellCommitAfter: s.draw.tellAfter,
			MaxInflight: s.draw.inflight, MaxAppendBytes: s.draw.appendBytes, MaxCachedBytes: s.draw.cachedBytes,
		}}
		plain = append(plain, srv)
		s.servers = append(s.servers, &simServer{server: srv})
	}
	s.check = newChecker(plain)
	return s
}

func (s *sim) say(format string, args ...any) {
	if s.trace != nil {
		s.trace(fmt.Sprintf("%8.3f ", float64(s.now)/ms) + fmt.Sprintf(format, args...))
	}
}

// after lets do happen in up to d from now.
func (s *sim) after(d raft.Duration, do func()) {
	s.counter++
	at := s.now + raft.Time(s.rand.Int64N(int64(d))) + 1
	heap.Push(&s.queue, happening{at: at, order: s.counter, do: do})
}

// run runs the schedule, its chaos and then its peace.
func (s *sim) run() error {
	for _, srv := range s.servers {
		s.start(srv)
	}
	s.after(2*s.draw.faultEvery, s.fault)
	s.after(2*s.draw.proposeEvery, s.propose)
	s.until(raft.Time(s.draw.chaos))
	if s.err == nil {
		s.heal()
		s.until(s.now + peace)
		s.progress()
	}
	for _, srv := range s.servers {
		s.stats.Reads += srv.disk.reads
	}
	return s.err
}

// until lets happen what is due before the end, or in peace until all is done.
func (s *sim) until(end raft.Time) {
	for len(s.queue) > 0 && s.queue[0].at <= end && s.err == nil {
		if !s.healed && s.stats.Steps >= chaosSteps {
			return
		}
		h := heap.Pop(&s.queue).(happening)
		s.now = h.at
		h.do()
		if s.err == nil {
			s.err = s.check.err
		}
		if s.healed && s.settled() {
			return
		}
	}
	if !s.healed {
		s.now = end
	}
}

// on lets do happen to srv unless it has crashed since; a paused server does it
// when it goes on.
func (s *sim) on(srv *simServer, do func()) func() {
	life := srv.life
	var happen func()
	happen = func() {
		switch {
		case srv.node == nil || srv.life != life:
		case srv.pausedUntil > s.now:
			s.counter++
			heap.Push(&s.queue, happening{at: srv.pausedUntil, order: s.counter, do: happen})
		default:
			do()
		}
	}
	return happen
}

func (s *sim) start(srv *simServer) {
	if s.sabotage != nil && s.sabotage.start != nil {
		s.sabotage.start(srv.server)
	}
	if err := srv.start(s.now); err != nil {
		s.err = err
		return
	}
	s.say("%v starts with %v, %d entries", srv.id, srv.disk.state, srv.disk.last())
	srv.tickAt, srv.readyAt, srv.syncing, srv.pausedUntil = raft.Never, 0, false, 0
	srv.role = raft.Follower
	s.input(srv)
}

// input follows every input to srv.
func (s *sim) input(srv *simServer) {
	s.stats.Steps++
	s.check.stepped(srv.server)
	if srv.node.HasReady() && srv.readyAt == 0 {
		if s.rand.IntN(100) < s.draw.lazyPct && !s.healed {
			srv.readyAt = s.now
			s.after(5*ms, s.on(srv, func() { srv.readyAt = 0; s.ready(srv) }))
		} else {
			s.ready(srv)
		}
	}
	s.wind(srv)
}

// wind sees to it that srv's next Tick happens.
func (s *sim) wind(srv *simServer) {
	at := srv.node.Deadline()
	if at >= srv.tickAt {
		return
	}
	srv.tickAt = at
	s.counter++
	heap.Push(&s.queue, happening{at: max(at, s.now), order: s.counter, do: s.on(srv, func() {
		srv.tickAt = raft.Never
		srv.node.Tick(s.now)
		s.input(srv)
	})})
}

func (s *sim) ready(srv *simServer) {
	for srv.node.HasReady() {
		r := srv.node.Ready()
		if r.Err != nil {
			s.err = r.Err
			return
		}
		s.count(srv, r.Events)
		s.check.handedOut(srv.server, r)
		if s.sabotage != nil && s.sabotage.ready != nil {
			s.sabotage.ready(&r)
		}
		for _, m := range srv.take(r) {
			s.send(srv, m)
		}
		if n := len(r.Committed); n > 0 {
			last := r.Committed[n-1].Index
			s.after(3*ms, s.on(srv, func() { srv.node.Applied(last); s.input(srv) }))
		}
		s.check.stepped(srv.server)
	}
	s.sync(srv)
	s.wind(srv)
}

func (s *sim) count(srv *simServer, events []raft.Event) {
	for _, e := range events {
		s.say("%v: %v", srv.id, e)
		switch e.Kind {
		case raft.EventRole:
			s.stats.Roles[srv.role][e.Role]++
			srv.role = e.Role
		case raft.EventElected:
			s.stats.Elections++
		case raft.EventTimeout:
			if srv.node.Role() == raft.Candidate {
				s.stats.Split++
			}
		case raft.EventTruncated:
			s.stats.Truncations++
		case raft.EventBackedUp:
			s.stats.Backups++
		case raft.EventCommitHeld:
			s.stats.Held++
		case raft.EventCommitted:
			s.stats.Commits++
		}
	}
}

// sync lets the disk finish some of the writes it has, one group at a time.
func (s *sim) sync(srv *simServer) {
	if srv.syncing || len(srv.writes) == 0 {
		return
	}
	srv.syncing = true
	group, delay := 1+s.rand.IntN(len(srv.writes)), s.draw.diskDelay
	if s.healed { // in peace, broadcast time is well below the election timeout (§5.6)
		group, delay = len(srv.writes), min(delay, 5*ms)
	}
	s.after(delay, s.on(srv, func() {
		srv.syncing = false
		leaving := srv.sync(s.now, group)
		s.say("%v has synced %d writes", srv.id, group)
		for _, m := range leaving {
			s.send(srv, m)
		}
		s.input(srv)
		s.sync(srv)
	}))
}

// send puts m on the network, which may lose it or double it.
func (s *sim) send(srv *simServer, m raft.Message) {
	s.check.leaves(srv.server, m)
	if s.sabotage != nil && s.sabotage.send != nil {
		m = s.sabotage.send(m)
	}
	copies := 1
	if !s.healed && s.rand.IntN(100) < s.draw.lossPct {
		copies = 0
	}
	if !s.healed && s.rand.IntN(100) < s.draw.dupPct {
		copies++
	}
	for range copies {
		delay := s.draw.delay
		if s.healed {
			delay = min(delay, 2*ms)
		}
		s.after(delay, func() { s.arrive(m) })
	}
}

func (s *sim) arrive(m raft.Message) {
	srv := s.servers[m.To-1]
	if srv.node == nil || s.open[[2]raft.NodeID{m.From, m.To}] {
		return
	}
	s.on(srv, func() {
		s.say("%v", m)
		if err := srv.node.Step(s.now, m); err != nil && s.sabotage == nil {
			s.err = fmt.Errorf("%v refuses a message of a correct server: %w", srv.id, err)
			return
		}
		s.input(srv)
	})()
}

// propose has every server that believes it leads take commands.
func (s *sim) propose() {
	for _, srv := range s.servers {
		if srv.node == nil || srv.pausedUntil > s.now || srv.node.Role() != raft.Leader || srv.node.LastIndex() > srv.node.Commit()+50 {
			continue
		}
		var data [][]byte
		for range 1 + s.rand.IntN(3) {
			s.number++
			data = append(data, fmt.Appendf(nil, "%v:%d%s", srv.id, s.number, strings.Repeat(".", s.rand.IntN(100))))
		}
		if _, err := srv.node.Propose(s.now, raft.EntryCommand, data...); err != nil {
			s.err = err
			return
		}
		s.input(srv)
	}
	s.after(2*s.draw.proposeEvery, s.propose)
}

// fault does one of the faults this schedule has.
func (s *sim) fault() {
	if s.healed {
		return
	}
	srv := s.servers[s.rand.IntN(len(s.servers))]
	if s.rand.IntN(3) == 0 { // leaders are where it hurts
		for _, l := range s.servers {
			if l.node != nil && l.node.Role() == raft.Leader {
				srv = l
			}
		}
	}
	switch k := s.rand.IntN(10); {
	case srv.node == nil:
		s.start(srv)
	case k < 4 && s.draw.crash:
		s.crash(srv)
	case k < 6 && s.draw.cut:
		s.partition()
	case k == 6 && s.draw.cut:
		other := s.servers[s.rand.IntN(len(s.servers))]
		s.say("cut %v to %v", srv.id, other.id)
		s.open[[2]raft.NodeID{srv.id, other.id}] = true
	case k == 7 && s.draw.pause:
		s.say("pause %v", srv.id)
		srv.pausedUntil = s.now + raft.Time(s.rand.Int64N(300*ms))
	case k == 8:
		clear(s.open)
		s.say("heal")
	case srv.node.Role() != raft.Leader && srv.pausedUntil <= s.now:
		if err := srv.node.Campaign(s.now); err != nil {
			s.err = err
			return
		}
		s.input(srv)
	}
	s.after(2*s.draw.faultEvery, s.fault)
}

func (s *sim) crash(srv *simServer) {
	whole := s.rand.IntN(len(srv.writes) + 1)
	torn := s.rand.IntN(3)
	s.say("crash %v with %d writes on their way, of which %d and %d entries are on disk", srv.id, len(srv.writes), whole, torn)
	srv.crash(whole, torn)
	s.stats.Crashes++
}

// partition cuts the servers into two sides.
func (s *sim) partition() {
	clear(s.open)
	side := map[raft.NodeID]bool{}
	for _, srv := range s.servers {
		side[srv.id] = s.rand.IntN(2) == 0
	}
	for a := range side {
		for b := range side {
			if side[a] != side[b] {
				s.open[[2]raft.NodeID{a, b}] = true
			}
		}
	}
	s.say("partition %v", side)
}

// heal ends all faults. What comes behind the longest log there is now was
// proposed in peace, or is the no-op of a leader elected in peace.
func (s *sim) heal() {
	s.say("all faults end")
	s.healed = true
	clear(s.open)
	for _, srv := range s.servers {
		srv.pausedUntil = 0
		if srv.node == nil {
			s.start(srv)
		}
		s.goal = max(s.goal, int(srv.node.LastIndex())+10)
	}
}

// settled reports whether all servers have applied what was proposed in peace.
func (s *sim) settled() bool {
	for _, srv := range s.servers {
		if len(srv.applied) < s.goal {
			return false
		}
	}
	return true
}

// progress demands that peace was enough to settle.
func (s *sim) progress() {
	for _, srv := range s.servers {
		if len(srv.applied) < s.goal && s.err == nil {
			s.err = fmt.Errorf("no progress: %d s after all faults have ended, %v has applied %d entries, not %d: %+v",
				peace/(1000*ms), srv.id, len(srv.applied), s.goal, srv.node.Status())
		}
	}
}
