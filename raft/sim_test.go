package raft_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

var (
	simSeed      = flag.Uint64("sim.seed", 0, "run only the schedule of this seed, and print it")
	simSchedules = flag.Int("sim.schedules", 3000, "how many schedules to run")
	simFrom      = flag.Uint64("sim.from", 1, "the first schedule's seed; the others follow on it")
)

const (
	ms    = 1_000_000   // of a raft.Duration
	peace = 60_000 * ms // after the faults, at most
)

// The simulator: real cores on a network, disks and a clock that are not, one
// thread, one seed.
//
//	sim_test.go           a schedule: what happens when, until all is settled
//	sim_draw_test.go      what a schedule is drawn with
//	sim_faults_test.go    what happens to servers and links, and operators
//	sim_clients_test.go   clients: commands, sessions, reads
//	sim_machine_test.go   the state machine
//	sim_history_test.go   what clients were told: is it linearizable?
//	sim_coverage_test.go  what schedules reach
//	sim_found_test.go     what it has found
//	server_test.go        a server around a core, and its disk
//	check_test.go         Figure 3, checked from outside
//	sabotage_test.go      servers that break a rule, to test the checks
//	unsafe_test.go        cores that break a rule, to see what it protects

// TestSim runs clusters through random schedules: messages lost, doubled, late
// and out of order; servers crashed with what their disks had not synced,
// paused, cut off; members changed, snapshots taken and sent, leadership handed
// over; clients that write and read and ask again. All is drawn from one seed.
//
// After every step the properties of Figure 3 are checked and the rules they
// rest on, after every answer to a client that all of them together are
// linearizable. Then the network heals, all servers come up, and the cluster
// must get on: a leader, answers for the clients, and the same log and state
// machine on every member.
func TestSim(t *testing.T) {
	if *simSeed != 0 {
		s := newSim(drawSchedule(*simSeed))
		s.trace = func(line string) { t.Log(line) }
		t.Log(s.draw)
		if err := s.run(); err != nil {
			t.Fatal(err)
		}
		if !s.history.linearizable() {
			t.Fatal(errPorcupine)
		}
		return
	}
	count := *simSchedules
	if testing.Short() || raceDetector {
		count /= 10
	}
	total, failed := runSchedules(*simFrom, count)
	if failed != nil {
		t.Fatal(failed)
	}
	t.Logf("seeds %d to %d:\n%v", *simFrom, *simFrom+uint64(count)-1, total)
	if count >= 300 {
		total.check(t)
	}
}

// TestSimIsDeterministic: a seed says all about a schedule, or there would be no
// replay. It holds that for the core, too.
func TestSimIsDeterministic(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		var lines [2][]string
		for k := range lines {
			s := newSim(drawSchedule(seed))
			s.trace = func(line string) { lines[k] = append(lines[k], line) }
			if err := s.run(); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(lines[0], lines[1]) {
			t.Errorf("seed %d: two runs of the same schedule differ", seed)
		}
	}
}

// runSchedules runs count schedules from a first seed on, as many at a time as
// there are processors. Of those that fail, the one with the lowest seed is told.
func runSchedules(from uint64, count int) (total coverage, failed error) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var (
		next    atomic.Int64
		workers sync.WaitGroup
		mu      sync.Mutex
		lowest  = count
	)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var own coverage
			for k := int(next.Add(1)) - 1; k < count; k = int(next.Add(1)) - 1 {
				seed := from + uint64(k)
				s := newSim(drawSchedule(seed))
				err := s.run()
				if err == nil && seed%porcupineEvery == 0 && !s.history.linearizable() {
					err = errPorcupine
				}
				if err != nil {
					next.Store(int64(count))
					mu.Lock()
					if k < lowest {
						lowest = k
						failed = fmt.Errorf("%w\nat %d ms of: %v\nreplay: go test ./raft -run TestSim -sim.seed=%d -v", err, s.now/ms, s.draw, s.draw.seed)
					}
					mu.Unlock()
				}
				own.add(&s.stats)
			}
			mu.Lock()
			defer mu.Unlock()
			total.merge(&own)
		})
	}
	workers.Wait()
	return total, failed
}

// porcupineEvery: of so many schedules, porcupine looks at the history of one.
const porcupineEvery = 50

var errPorcupine = fmt.Errorf("%w: porcupine finds no order, though the log has one", errLinearizability)

// sim is one schedule: everything that is to happen, in the order of its time.
type sim struct {
	draw    draw
	rand    *rand.Rand
	now     raft.Time
	agenda  agenda
	servers []*simServer // members, and those that may become so; by ID-1
	clients []*client
	check   *checker
	history history
	faults  []func(*sim, *simServer)
	cut     [maxServers + 1][maxServers + 1]bool // links, by sender and receiver
	slow    [maxServers + 1][maxServers + 1]bool // so are these
	healed  bool
	stats   stats
	trace   func(string)
	err     error

	sabotage *sabotage // nil: all servers are correct
}

// simServer is a server in a schedule.
type simServer struct {
	*server
	pausedUntil raft.Time
	tickAt      raft.Time
	postponed   bool // its Ready is taken later
	syncing     bool
	saving      bool      // it writes a snapshot of its own
	out         bool      // it is no member any more and was ended
	role        raft.Role // by its events
	forced      bool      // its last election did not wait for a timeout
	arriving    bool      // a leader's snapshot

	// Clients' operations it has taken on: commands until they are applied, reads
	// until the node answers, and then until the state machine is there.
	commands []*operation
	reads    map[uint64]*operation
	behind   []behindRead
	asked    uint64 // the last read's number
}

// behindRead is a read that waits for the state machine.
type behindRead struct {
	op    *operation
	index raft.Index
}

func newSim(d draw) *sim {
	s := &sim{draw: d, faults: d.faults(), rand: rand.New(rand.NewPCG(d.seed, 2))}
	var voters []raft.NodeID
	for k := range d.servers {
		voters = append(voters, raft.NodeID(k+1))
	}
	var plain []*server
	for k := range d.servers + d.spares {
		srv := &server{id: raft.NodeID(k + 1), cfg: d.config}
		srv.cfg.ID = srv.id
		if k < d.servers {
			srv.cfg.Members = raft.Configuration{Voters: voters}
		}
		plain = append(plain, srv)
		s.servers = append(s.servers, &simServer{server: srv, reads: map[uint64]*operation{}})
	}
	s.check = newChecker(plain)
	s.check.lenient = d.config.Unsafe != 0
	return s
}

// say tells the trace. Callers on hot paths look first whether there is one.
func (s *sim) say(format string, args ...any) {
	if s.trace != nil {
		s.trace(fmt.Sprintf("%8.3f ", float64(s.now)/ms) + fmt.Sprintf(format, args...))
	}
}

// fail ends the schedule.
func (s *sim) fail(err error) {
	if s.err == nil && err != nil {
		s.err = err
	}
}

// run runs the schedule, its chaos and then its peace.
func (s *sim) run() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	s.begin()
	s.until(raft.Time(s.draw.chaos))
	s.stats.count[chaosTime] = int(s.now / ms)
	if s.err == nil {
		s.heal()
		s.until(s.now + peace)
	}
	if s.err == nil {
		s.settle()
	}
	s.finish()
	return s.err
}

// begin brings all servers up and lets those begin who do something to them.
func (s *sim) begin() {
	for _, srv := range s.servers {
		s.start(srv)
	}
	for range s.draw.clients {
		s.newClient()
	}
	if s.draw.faultEvery > 0 {
		s.after(2*s.draw.faultEvery, s.fault)
	}
	if s.draw.operateEvery > 0 {
		s.after(2*s.draw.operateEvery, s.operate)
	}
}

// until lets happen what is due before the end, or in peace until all is done.
func (s *sim) until(end raft.Time) {
	for s.agenda.next() <= end && s.err == nil {
		if !s.healed && s.stats.count[stepTaken] >= s.draw.steps {
			return
		}
		h := s.agenda.pop()
		s.now = h.at
		switch srv := h.to; {
		case srv == nil:
			h.do()
		case srv.node == nil || srv.life != h.life: // it has crashed since
		case srv.pausedUntil > s.now:
			s.agenda.push(srv.pausedUntil, srv, h.do)
		default:
			h.do()
		}
		s.fail(s.check.err)
		if s.healed && s.unsettled() == "" {
			return
		}
	}
	s.now = max(s.now, min(end, s.agenda.next()))
}

// after lets do happen in up to d from now.
func (s *sim) after(d raft.Duration, do func()) { s.agenda.push(s.in(d), nil, do) }

// afterOn lets do happen to srv in up to d from now, unless it crashes before;
// a paused server does it when it goes on.
func (s *sim) afterOn(srv *simServer, d raft.Duration, do func()) { s.agenda.push(s.in(d), srv, do) }

// in is some time from now, up to d.
func (s *sim) in(d raft.Duration) raft.Time { return s.now + raft.Time(s.rand.Int64N(int64(d))) + 1 }

func (s *sim) start(srv *simServer) {
	if s.sabotage != nil && s.sabotage.start != nil {
		s.sabotage.start(srv.server)
	}
	srv.cfg.Seed = s.rand.Uint64()
	if err := srv.start(s.now); err != nil {
		s.fail(err)
		return
	}
	s.say("%v starts with %v, snapshot %d, entries %d to %d", srv.id, srv.disk.state, srv.disk.newest().meta.Index, srv.disk.base+1, srv.disk.last())
	srv.tickAt, srv.pausedUntil = raft.Never, 0
	srv.postponed, srv.syncing, srv.saving, srv.out = false, false, false, false
	srv.commands, srv.behind = nil, nil
	clear(srv.reads)
	srv.role, srv.arriving = raft.Follower, false
	s.input(srv)
}

// input follows every input to srv.
func (s *sim) input(srv *simServer) {
	s.stats.count[stepTaken]++
	s.check.stepped(srv.server)
	if srv.node.HasReady() && !srv.postponed {
		if !s.healed && s.rand.IntN(100) < s.draw.lazyPct {
			srv.postponed = true
			s.afterOn(srv, 5*ms, func() { srv.postponed = false; s.ready(srv) })
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
	s.agenda.push(max(at, s.now), srv, func() {
		srv.tickAt = raft.Never
		srv.node.Tick(s.now)
		s.input(srv)
	})
}

// ready does what srv's node asks for.
func (s *sim) ready(srv *simServer) {
	for srv.node.HasReady() && s.err == nil {
		r := srv.node.Ready()
		if r.Err != nil {
			s.fail(r.Err)
			return
		}
		s.count(srv, r.Events)
		if s.sabotage != nil && s.sabotage.ready != nil {
			r = s.sabotage.ready(r)
		}
		old := len(srv.applied)
		if r.Install != nil {
			old = 0
		}
		leaving := srv.take(r)
		s.check.handedOut(srv.server, r)
		s.check.stepped(srv.server)
		s.fail(s.check.err)
		for _, m := range leaving {
			s.send(srv, m)
		}
		for _, e := range srv.applied[old:] {
			s.fail(s.history.applied(e.Index, e.result))
			s.answerCommands(srv, e.result)
		}
		if len(r.Committed) > 0 || r.Install != nil {
			last := srv.machine.index
			s.afterOn(srv, 3*ms, func() { s.applied(srv, last) })
		}
		s.takeReads(srv, r.Reads)
		s.answerReads(srv)
	}
	s.sync(srv)
	s.wind(srv)
}

// applied tells srv's node that its state machine stands at entry last, which
// it did at once.
func (s *sim) applied(srv *simServer, last raft.Index) {
	srv.node.Applied(last)
	s.input(srv)
	if last == srv.machine.index {
		s.snapshot(srv)
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
	s.afterOn(srv, delay, func() {
		srv.syncing = false
		leaving := srv.sync(s.now, group)
		if s.trace != nil {
			s.say("%v has synced %d writes", srv.id, group)
		}
		for _, m := range leaving {
			s.send(srv, m)
		}
		s.input(srv)
		s.sync(srv)
	})
}

// snapshot has srv write a snapshot once its log is long enough (§7).
func (s *sim) snapshot(srv *simServer) {
	every, index := raft.Index(s.draw.snapshotEvery), srv.machine.index
	if srv.saving || every == 0 || index < srv.disk.newest().meta.Index+every {
		return
	}
	snap := snapshot{srv.node.SnapshotMeta(index), srv.machine.snapshot()}
	if snap.meta.Index == 0 {
		return // it has joined and does not know yet what cluster
	}
	srv.saving = true
	s.afterOn(srv, s.draw.diskDelay, func() {
		srv.saving = false
		through := index - min(index, raft.Index(s.rand.IntN(int(every)+1)))
		srv.snapshotTaken(s.now, snap, through, through-min(through, raft.Index(s.rand.IntN(5))))
		s.input(srv)
	})
}

// send puts m on the network, which may lose it or double it.
func (s *sim) send(srv *simServer, m raft.Message) {
	s.check.leaves(srv.server, m)
	if s.sabotage != nil && s.sabotage.send != nil {
		m = s.sabotage.send(m)
	}
	copies := 1
	if s.lost() {
		copies = 0
	}
	if !s.healed && s.draw.dupPct > 0 && s.rand.IntN(100) < s.draw.dupPct {
		copies++
	}
	delay := s.delay()
	if s.slow[m.From][m.To] {
		delay += 300 * ms
	}
	for range copies {
		s.after(delay, func() { s.arrive(m) })
	}
}

func (s *sim) lost() bool {
	return !s.healed && s.draw.lossPct > 0 && s.rand.IntN(100) < s.draw.lossPct
}

// delay is the longest a message takes.
func (s *sim) delay() raft.Duration {
	if s.healed {
		return min(s.draw.delay, 2*ms)
	}
	return s.draw.delay
}

func (s *sim) arrive(m raft.Message) {
	srv := s.servers[m.To-1]
	switch {
	case srv.node == nil || s.cut[m.From][m.To]:
	case srv.pausedUntil > s.now:
		s.agenda.push(srv.pausedUntil, srv, func() { s.step(srv, m) })
	default:
		s.step(srv, m)
	}
}

func (s *sim) step(srv *simServer, m raft.Message) {
	if s.trace != nil {
		s.say("%v", m)
	}
	if err := srv.node.Step(s.now, m); err != nil && s.sabotage == nil && s.draw.config.Unsafe == 0 {
		s.fail(fmt.Errorf("%v refuses a message of a correct server: %w", srv.id, err))
		return
	}
	s.input(srv)
}

// heal ends all faults. What the clients want from now on they must get.
func (s *sim) heal() {
	s.say("all faults end")
	s.healed = true
	s.mend(nil)
	for _, srv := range s.servers {
		srv.pausedUntil = 0
		if srv.node == nil && !srv.out {
			s.start(srv)
		}
	}
	for _, c := range s.clients {
		if !c.gone {
			c.left = 3
			c.next()
		}
	}
	s.tidy()
}

// leader is the server that leads the newest term, nil when nobody does.
func (s *sim) leader() *simServer {
	var leader *simServer
	for _, srv := range s.servers {
		if srv.node != nil && srv.node.Role() == raft.Leader && (leader == nil || srv.node.Term() > leader.node.Term()) {
			leader = srv
		}
	}
	return leader
}

// unsettled says what is missing after the faults have ended. Nothing is when
// all clients have what they want, a leader has brought its last change of
// members to an end, and all members have the same log, committed, and the
// same state.
func (s *sim) unsettled() string {
	for _, c := range s.clients {
		if c.op != nil || c.left > 0 {
			return "a client is not served"
		}
	}
	leader := s.leader()
	if leader == nil {
		return "there is no leader"
	}
	st := leader.node.Status()
	if st.Commit < st.LastIndex {
		return "the leader's log is not committed"
	}
	if st.Config.Joint() || st.Target != nil || st.TransferTo != 0 {
		return "the leader has begun something and not ended it"
	}
	for _, id := range st.Config.Members() {
		switch srv := s.servers[id-1]; {
		case srv.node == nil:
			return "a member is down"
		case srv.machine.index < st.LastIndex:
			return "a member has not applied all that is committed"
		case len(srv.reads)+len(srv.behind) > 0:
			return "a member keeps readers waiting"
		case string(srv.machine.snapshot()) != string(leader.machine.snapshot()):
			return "two members have applied the same, and are not the same"
		}
	}
	return ""
}

// settle demands that peace was enough for everything to settle.
func (s *sim) settle() {
	what := s.unsettled()
	if what == "" {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "no progress: %d s after all faults have ended, %s", peace/(1000*ms), what)
	for _, c := range s.clients {
		if c.op != nil {
			fmt.Fprintf(&b, "\n%v is not answered", c.op)
		}
	}
	for _, srv := range s.servers {
		if srv.node != nil {
			fmt.Fprintf(&b, "\n%+v", srv.node.Status())
		}
	}
	s.fail(errors.New(b.String()))
}

// agenda is what is to happen, a heap by time and then by the order it came in.
type agenda struct {
	heap  []happening
	count uint64
}

// happening is something that is to happen.
type happening struct {
	at    raft.Time
	order uint64
	to    *simServer // unless nil, it happens to this server in this life
	life  int
	do    func()
}

func (h *happening) before(other *happening) bool {
	return h.at < other.at || h.at == other.at && h.order < other.order
}

// next is when something happens next; Never when nothing does.
func (a *agenda) next() raft.Time {
	if len(a.heap) == 0 {
		return raft.Never
	}
	return a.heap[0].at
}

func (a *agenda) push(at raft.Time, to *simServer, do func()) {
	a.count++
	life := 0
	if to != nil {
		life = to.life
	}
	a.heap = append(a.heap, happening{at, a.count, to, life, do})
	k := len(a.heap) - 1
	for k > 0 {
		up := (k - 1) / 2
		if !a.heap[k].before(&a.heap[up]) {
			return
		}
		a.heap[k], a.heap[up] = a.heap[up], a.heap[k]
		k = up
	}
}

func (a *agenda) pop() happening {
	first, last := a.heap[0], len(a.heap)-1
	a.heap[0] = a.heap[last]
	a.heap[last] = happening{}
	a.heap = a.heap[:last]
	for k := 0; ; {
		least, left := k, 2*k+1
		for child := left; child < min(left+2, last); child++ {
			if a.heap[child].before(&a.heap[least]) {
				least = child
			}
		}
		if least == k {
			return first
		}
		a.heap[k], a.heap[least] = a.heap[least], a.heap[k]
		k = least
	}
}
