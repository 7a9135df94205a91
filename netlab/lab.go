package netlab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sync/errgroup"

	"github.com/raftlab/raftlab/node/clock"
)

// lab is the process behind a lab: it starts nodes, connects them, owns their
// clock, and serves the control API.
type lab struct {
	tasks

	dir    dir
	name   string
	config Config
	run    int // how many processes took this lab up so far, this one included
	log    *slog.Logger

	metaMu sync.Mutex
	meta   *meta // as it is in lab.json

	clock    *clock.Clock
	engine   engine
	network  *network
	gateway  *gateway
	api      *api
	ctx      context.Context // ends when the lab does
	stop     context.CancelCauseFunc
	running  sync.WaitGroup // goroutines, where tasks are that, and of connections
	workload workload
	history  *recorder
	nemesis  chaos
	clients  atomic.Uint64 // of background writes so far; numbers their sessions

	acting  turn // one operation on processes at a time
	rolling turn // one rolling restart at a time; before acting

	changing atomic.Pointer[Op] // the change of the configuration that is waited for

	steps  stepping
	checks *checks

	mu          sync.Mutex
	members     []*member      // ascending by ID; replaced, never changed
	stood       *Standing      // how the history stands; nil before any of it was judged
	bootstrap   []int          // voters of the first configuration
	changedOnce bool           // the configuration
	policy      string         // of nodes that end by themselves
	gone        map[int]uint64 // rev at which a node of this ID was last removed
	faults      faults
	breaks      breaks
	events      *eventStore
	broken      violations
	random      *mrand.Rand
	rev         uint64 // counts changes
	labRev      uint64 // rev at the last change that is of the lab as a whole
	watch       chan struct{}
	rest        chan struct{} // closed when what the clock was held for last stands; nil when it never was
}

// ServeOptions are how the lab process is started.
type ServeOptions struct {
	Dir string // made by Start, which left the lab's configuration there
	// Ready is told, in one line of JSON, that the lab is up, or why not. It is
	// closed after that when it can be.
	Ready io.Writer
}

// ready is the line that a lab process tells Start.
type ready struct {
	Error *Error `json:"error,omitempty"` // nil: the lab is up
}

// errDown ends a lab on request; keep tells whether its data stays.
type errDown struct{ keep bool }

func (e errDown) Error() string { return "down" }

// Serve is the lab process. It returns when the lab was stopped: by the
// control API, or because ctx ended. In the latter case the data is kept, for
// whoever ended it did not say that it may go. The error is an *Error.
func Serve(ctx context.Context, o ServeOptions) error {
	takeProcessors()
	l := &lab{
		dir: dir(o.Dir), name: dir(o.Dir).name(),
		log: slog.New(slog.NewTextHandler(os.Stderr, nil)), // Start has led it into lab.log
	}
	var told sync.Once
	tell := func(err *Error) {
		told.Do(func() {
			if o.Ready == nil {
				return
			}
			// Nobody to tell is nobody who waits: the lab goes on.
			_ = json.NewEncoder(o.Ready).Encode(ready{Error: err})
			if c, ok := o.Ready.(io.Closer); ok {
				_ = c.Close()
			}
		})
	}
	err := l.serve(ctx, func() { tell(nil) })
	if err != nil {
		e := toError("lab "+l.name, err)
		l.log.Error("lab ends", "error", e.Message)
		tell(e)
		return e
	}
	return nil
}

// takeProcessors leaves half of the machine's processors to the nodes. The
// network's work for a message is short and ends before another thread would
// have woken up to share it: on two processors, one instead of both took 0.52
// instead of 0.62 ms for a lone put, and as many puts/s under load.
func takeProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0)/2, 1))
	}
}

// What is left of a lab when its process ends.
type remains int

const (
	removeAll   remains = iota
	keepData            // Start goes on with it
	leaveTraces         // for whoever asks why it did not come up; Start removes them
)

// serve holds everything a lab is made of and takes it apart again in reverse.
func (l *lab) serve(ctx context.Context, up func()) (err error) {
	lock, fresh, err := l.takeUp(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	// Of a lab that never ran nothing is worth keeping but what its nodes said.
	// One that did is kept, until somebody says that its data may go.
	after := keepData
	if fresh {
		after = leaveTraces
	}
	defer func() { err = errors.Join(err, l.settle(after)) }()

	l.ctx, l.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	defer l.stop(nil)
	defer context.AfterFunc(ctx, func() { l.end(context.Cause(ctx)) })()
	if err := l.build(fresh); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(l.ctx)
	group.Go(func() error { return l.engine.run(l.ctx) })
	l.warn()
	listeners, err := l.api.listen(l.meta.Socket)
	if err == nil {
		err = l.start(fresh)
	}
	if err != nil {
		l.stop(nil)
		for _, ln := range listeners {
			err = errors.Join(err, ln.Close())
		}
		return errors.Join(err, l.dismantle(group))
	}
	for _, ln := range listeners {
		group.Go(func() error { return l.api.serve(ln) })
	}
	after = keepData
	l.log.Info("lab is up", "name", l.name, "pid", os.Getpid(), "nodes", len(l.members), "seed", l.config.Seed)
	up()

	<-groupCtx.Done()
	cause := context.Cause(l.ctx)
	var down errDown
	if errors.As(cause, &down) && !down.keep || l.config.Sim != "" { // what is simulated is nowhere else
		after = removeAll
	}
	l.log.Info("lab stops", "cause", fmt.Sprint(cause), "data_kept", after == keepData)
	l.stop(nil)
	return l.dismantle(group)
}

// warn says, before anything else happens, that this lab does not keep Raft's
// promises.
func (l *lab) warn() {
	text := l.config.unsafeText()
	if text == "" {
		return
	}
	l.log.Warn("unsafe rules are on", "rules", l.config.Unsafe)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.event(Event{Kind: EventNote, Text: "UNSAFE on purpose. " + text})
}

// takeUp makes this process the lab's: it alone holds the lock, and lab.json
// names it. fresh tells that no process had the lab before.
func (l *lab) takeUp(ctx context.Context) (lock *flock.Flock, fresh bool, err error) {
	lock = flock.New(l.dir.lock(), flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	switch locked, err := lock.TryLockContext(ctx, 10*time.Millisecond); {
	case locked:
	case err == nil || errors.Is(err, context.DeadlineExceeded):
		return nil, false, Errorf(ExitConflict, "another process runs the lab in %s", l.dir).WithHint("raftlab ls")
	default:
		return nil, false, fmt.Errorf("lock %s: %w", l.dir.lock(), err)
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	m, err := l.dir.readMeta()
	if err != nil {
		return nil, false, fmt.Errorf("read what lab this is: %w", err)
	}
	if err := m.Config.Validate(); err != nil {
		return nil, false, err
	}
	fresh = m.Runs == 0
	m.Runs++
	m.Pid, m.Version, m.Started = os.Getpid(), Version(), time.Now()
	m.Stopped, m.Kept = false, false
	if m.Socket, err = l.dir.socketPath(); err != nil {
		return nil, false, err
	}
	l.config, l.run, l.meta = m.Config.settled(), m.Runs, m
	return lock, fresh, l.dir.writeMeta(m)
}

// settle makes the directory what it is to be after this process.
func (l *lab) settle(after remains) error {
	l.metaMu.Lock()
	defer l.metaMu.Unlock()
	m := l.meta
	err := l.dir.removeSocket(m.Socket)
	m.Pid = 0
	switch after {
	case removeAll:
		return errors.Join(err, l.dir.clean())
	case keepData:
		m.Stopped, m.Kept = true, true
	}
	return errors.Join(err, l.dir.writeMeta(m))
}

// end stops the lab on purpose. Those who lose it learn from its directory that
// it was.
func (l *lab) end(cause error) {
	l.metaMu.Lock()
	l.meta.Stopped = true
	if err := l.dir.writeMeta(l.meta); err != nil {
		l.log.Warn("not written that the lab is being stopped", "error", err)
	}
	l.metaMu.Unlock()
	l.stop(cause)
}

// build makes the parts that everything else needs. It starts no process.
func (l *lab) build(fresh bool) error {
	if l.engine == nil {
		l.chooseEngine()
	}
	l.acting.tasks, l.rolling.tasks, l.steps.mu.tasks = l, l, l
	l.clock = clock.NewOn(l.now, clock.Setting{Rate: l.config.Speed})
	l.random = mrand.New(mrand.NewPCG(mix(l.config.Seed, seedWords, 0), mix(l.config.Seed, seedWords, 1)))
	if l.events == nil {
		l.events = newEventStore(eventsKept)
	}
	l.gone = make(map[int]uint64)
	l.checks = newChecks()
	l.checks.preloaded(&l.config)
	l.checks.earlier(l.run)
	l.policy = l.config.settled().RestartPolicy
	who := firstRoster(l.config.Nodes)
	if l.meta != nil {
		who = l.meta.roster
	}
	l.callRoster(&who)
	w, err := l.engine.open()
	if err != nil {
		return err
	}
	l.network = &network{proxy: w}
	err = l.wire()
	if err == nil && fresh {
		err = l.preload()
	}
	if err == nil {
		err = l.startHistory(fresh)
	}
	if err != nil {
		l.network.close()
		err = errors.Join(err, l.engine.hangUp())
		l.engine.close()
		return err
	}
	l.gateway = newGateway(l)
	l.api = newAPI(l)
	return nil
}

// chooseEngine makes the lab what its configuration says: of processes, or
// simulated.
func (l *lab) chooseEngine() {
	if l.config.Sim == "" {
		l.tasks, l.engine = goroutines{l}, &processes{lab: l}
		return
	}
	s := newSimulation(l, l.config.Sim == SimDriven, framesOfSim)
	l.tasks, l.engine = s.tasks, s
}

// wire connects all nodes.
func (l *lab) wire() error {
	for _, m := range l.members {
		if err := l.network.add(m.id); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.setNetwork(l.faults.on)
}

// start sets what is to be so from the start, and starts the nodes.
func (l *lab) start(fresh bool) (err error) {
	stopped := l.request(l.ctx, func() {
		if err = l.startState(); err == nil {
			err = l.startAll(fresh)
		}
	})
	return errors.Join(stopped, err)
}

// startAll starts every node and waits until they have registered. In a new
// lab a node that dies at once is an error: the next would, too. In one that is
// taken up again it is a node that is dead.
func (l *lab) startAll(fresh bool) error {
	l.acting.Lock()
	defer l.acting.Unlock()
	for _, m := range l.members {
		if err := l.startMember(m); err != nil {
			return err
		}
	}
	for _, m := range l.members {
		if err := l.awaitJoin(l.ctx, m); err != nil {
			if fresh {
				return err
			}
			l.log.Warn("node does not come up", "node", m.id, "error", err)
		}
	}
	// Whose removal the process before this one did not finish.
	return l.let(true, slices.DeleteFunc(slices.Clone(l.members), func(m *member) bool { return !m.leaves }))
}

// dismantle ends what build and startAll started, after l.ctx has ended, and
// waits for it.
func (l *lab) dismantle(group *errgroup.Group) error {
	err := l.takeApart()
	l.network.close()
	l.api.close()
	err = errors.Join(err, group.Wait())
	l.finish()
	l.engine.close()
	return errors.Join(err, l.history.close())
}

// takeApart ends what goes on in the lab, and its nodes.
func (l *lab) takeApart() error {
	_ = l.request(context.Background(), func() { // which is refused by nobody yet
		l.endLoad()
		l.gateway.close()
		// An operation in progress may be starting a node: it is let finish first. One
		// that comes after it sees that the lab has ended.
		l.acting.Lock()
		l.engine.end()
		l.acting.Unlock()
	})
	return l.engine.hangUp()
}

// lockTimeout is how long a lab process waits for one before it to be gone.
const lockTimeout = 2 * time.Second

// toError makes any error one that a user is told.
func toError(doing string, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	e := Errorf(ExitFailed, "%s: %v", doing, err)
	if isDiskFull(err) {
		return e.WithHint("free some space, or set RAFTLAB_HOME to another disk")
	}
	return e
}

// event numbers and keeps an event of the lab's own. With lab.mu held.
func (l *lab) event(e Event) uint64 {
	e.Schema, e.At, e.LabNS = SchemaEvent, l.now(), int64(l.clock.Now())
	return l.addEvent(stored{Event: e})
}

func (l *lab) addEvent(e stored) uint64 {
	if l.history != nil { // else nobody has asked anything yet
		l.history.mark(&e)
	}
	id := l.events.add(e, l.clock.Now())
	l.touchLab()
	return id
}

// touch marks a node as changed. With lab.mu held.
func (l *lab) touch(m *member) {
	l.rev++
	m.rev = l.rev
	l.wake()
}

// touchLab marks the lab as a whole as changed. With lab.mu held.
func (l *lab) touchLab() {
	l.rev++
	l.labRev = l.rev
	l.wake()
}

// wake lets those go on who wait for a change. Without any it costs nothing.
func (l *lab) wake() {
	if l.watch != nil {
		close(l.watch)
		l.watch = nil
	}
}

// changed returns a channel that is closed at the next change. With lab.mu held.
func (l *lab) changed() <-chan struct{} {
	if l.watch == nil {
		l.watch = make(chan struct{})
	}
	return l.watch
}

// do carries out an operation.
func (l *lab) do(ctx context.Context, op *Op) (*OpResult, error) {
	process := map[string]func(context.Context, *Op) (*OpResult, error){
		"kill": l.kill, "restart": l.restart, "pause": l.pause, "resume": l.resume, "wipe": l.wipe,
		"stop": l.stopNodes, "disk": l.setDisk, "clock": l.setNodeClock, "undo": l.undo,
	}
	other := map[string]func(context.Context, *Op) (*OpResult, error){
		"elect": l.elect, "transfer": l.transfer, "snapshot": l.snapshot,
		"add": l.add, "remove": l.remove, "members": l.setMembers,
		"partition": l.partition, "cut": l.setLinks, "slow": l.setLinks, "lose": l.setLinks, "duplicate": l.setLinks, "reorder": l.setLinks,
		"corrupt": l.setLinks, "throttle": l.setLinks, "reset": l.setLinks, "blackhole": l.setLinks, "frame": l.frame,
		"heal": l.healLab,
		"hold": l.hold, "release": l.release, "speed": l.speed, "step": l.step, "break": l.setBreak,
		"load": l.load, "note": l.note, "chaos": l.startChaos,
	}
	if op.Verb == "heal" && op.All {
		return l.healAll(ctx, op)
	}
	if op.Verb == "restart" && op.Rolling {
		return l.roll(ctx, op)
	}
	if act := process[op.Verb]; act != nil {
		l.acting.Lock()
		defer l.acting.Unlock()
		if l.ctx.Err() != nil {
			return nil, errStopping
		}
		return act(ctx, op)
	}
	if act := other[op.Verb]; act != nil {
		return act(ctx, op)
	}
	return nil, Errorf(ExitUsage, "there is no operation %s", quote(op.Verb)).
		WithHint("operations: kill restart stop pause resume wipe disk clock elect transfer snapshot add remove members partition cut slow lose duplicate reorder corrupt throttle reset blackhole frame heal undo hold release speed step break load note chaos")
}

var errStopping = Errorf(ExitNoLab, "the lab is being stopped").WithHint("raftlab ls")
