package netlab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/raftlab/raftlab/netlab/check"
	"github.com/raftlab/raftlab/netlab/explain"
	"github.com/raftlab/raftlab/node/client"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

const (
	// historyMax is how large a history file gets before the next is begun. Two
	// are kept.
	historyMax = 8 << 20
	// historyUnwritten is how much of it may wait for the disk.
	historyUnwritten = 4 << 20
	// judgeEvery is how often what was recorded is judged and written, in real time.
	judgeEvery = 200 * time.Millisecond
	// markMax is how much of a sentence goes into a history, in bytes.
	markMax = 500

	// LinearizabilityProperty is how a history that has no order is called among
	// violations.
	LinearizabilityProperty = "Linearizability"
)

// The history's files in a lab's directory.
func (d dir) history() string        { return filepath.Join(string(d), "history") }
func (d dir) historyOld() string     { return filepath.Join(string(d), "history.old") }
func (d dir) historyDamaged() string { return filepath.Join(string(d), "history.damaged") }

// recorder writes down what the lab's own clients ask and are told, and has it
// judged while the lab runs (§8). Clients that go to the nodes' client ports by
// themselves are not seen.
type recorder struct {
	lab *lab

	mu       sync.Mutex
	history  *check.History
	writer   check.HistoryWriter
	unsaved  []byte
	size     int64 // of the file, what is unsaved included
	max      int64 // a file gets about so large
	rotate   bool  // what is unsaved begins a new file, behind keep bytes of the old
	keep     int
	unwanted string          // why nothing is written any more
	before   []check.Finding // of processes before this one

	wake    chan struct{} // has a value when something was recorded
	writing sync.Mutex    // to file
	file    *os.File      // nil for a lab that is kept nowhere
}

// startHistory takes up the history in the lab's directory, or begins one.
func (l *lab) startHistory(fresh bool) error {
	r := &recorder{lab: l, max: historyMax, wake: make(chan struct{}, 1)}
	run := check.Run{Lab: l.name, Seed: l.config.Seed, Number: uint64(l.run), Fresh: fresh && len(l.config.Preload) == 0}
	if !fresh {
		r.takeUp()
	}
	if r.history == nil {
		r.history = check.NewHistory(run.Fresh)
		if l.dir != "" {
			if err := os.Remove(l.dir.history()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("begin the history: %w", err)
			}
		}
	}
	l.history = r
	if l.dir != "" { // else the lab is kept nowhere
		var err error
		if r.file, err = os.OpenFile(l.dir.history(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
			return fmt.Errorf("open the history: %w", err)
		}
		if !r.writer.Begun() {
			r.unsaved = r.writer.Start(r.unsaved)
		}
		r.unsaved = r.writer.Run(r.unsaved, &run)
		r.size += int64(len(r.unsaved))
	}
	r.tell(r.before)
	l.spawn(r.run)
	r.signal()
	return nil
}

// takeUp goes on with what processes before this one have recorded. What cannot
// be read is set aside, and the history begins anew with nothing known.
func (r *recorder) takeUp() {
	reading := check.NewReading()
	var data []byte
	for _, path := range []string{r.lab.dir.historyOld(), r.lab.dir.history()} {
		var err error
		if data, err = os.ReadFile(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = reading.Read(data)
		}
		if err != nil {
			r.lab.log.Warn("the history of client operations is not gone on with", "file", path, "error", err)
			if err := os.Rename(path, r.lab.dir.historyDamaged()); err != nil {
				r.lab.log.Warn("it cannot be set aside", "error", err)
			}
			return
		}
	}
	if reading.History == nil {
		return
	}
	if reading.Torn > 0 {
		if err := os.Truncate(r.lab.dir.history(), reading.Size); err != nil {
			r.lab.log.Warn("the history's end cannot be cut", "error", err)
			return
		}
	}
	r.history, r.writer, r.size = reading.History, reading.Writer, reading.Size
	r.history.LoseOpen() // nobody of that time waits any more
	reading.Findings = append(reading.Findings, r.history.Judge(false)...)
	disowned := make(map[string]bool)
	for _, m := range reading.Marks {
		if m.Kind == check.MarkForeign {
			disowned[m.Text] = true
			r.history.Disown(m.Text)
		}
	}
	for _, f := range reading.Findings {
		if disowned[f.Key] {
			continue
		}
		f.Message = "before this lab was taken up again: " + f.Message
		r.before = append(r.before, f)
	}
}

// ticket is an operation that is under way.
type ticket uint64

// called takes note that a client asks.
func (r *recorder) called(who string, q *wire.Request) ticket {
	at := int64(r.lab.clock.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.history.Invoke(who, check.Request{Op: q.Op, Read: q.Read, Key: string(q.Key), Value: string(q.Value), Old: string(q.Old)}, at)
	op := r.history.Operation(id)
	r.save(func(b []byte) []byte { return r.writer.Call(b, op) })
	return ticket(id)
}

// ended takes note of what came of it.
func (r *recorder) ended(t ticket, reply *wire.Reply, err error) {
	at := int64(r.lab.clock.Now())
	id := uint64(t)
	var unknown *client.UnknownError
	r.mu.Lock()
	defer r.mu.Unlock()
	op := r.history.Operation(id)
	if op == nil {
		return // the lab has ended meanwhile
	}
	switch {
	case err == nil:
		r.history.Return(id, check.Answer{
			Refused: reply.Code == wire.CodeFailed, Found: reply.Found, Value: string(reply.Value),
			Index: uint64(reply.Index), Node: int(reply.Node),
		}, at)
	case errors.As(err, &unknown):
		r.history.Lose(id, at)
	default:
		r.history.Fail(id, at)
	}
	r.save(func(b []byte) []byte { return r.writer.Return(b, op) })
}

// do has a client ask, and writes it down.
func (r *recorder) do(ctx context.Context, who string, c kvClient, q wire.Request) (wire.Reply, error) {
	t := r.called(who, &q)
	reply, err := c.Do(ctx, q)
	r.ended(t, &reply, err)
	return reply, err
}

// mark takes note of what else happened, for the history's picture.
func (r *recorder) mark(e *stored) {
	switch e.Kind {
	case EventFault, EventProcess, EventElected, EventClock, EventViolation:
	default:
		return
	}
	m := check.Mark{LabNS: e.LabNS, Kind: e.Kind, Text: e.Text}
	if e.fact != nil {
		m.Text, _ = explain.Event(*e.fact, raft.Configuration{})
	}
	if e.Node != 0 {
		m.Text = fmt.Sprintf("S%d %s", e.Node, m.Text)
	}
	m.Text = m.Text[:min(len(m.Text), markMax)]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.save(func(b []byte) []byte { return r.writer.Mark(b, &m) })
}

// save adds to what is to be written. The caller has the lock.
func (r *recorder) save(add func([]byte) []byte) {
	if r.unwanted == "" && r.file != nil {
		before := len(r.unsaved)
		r.unsaved = add(r.unsaved)
		r.size += int64(len(r.unsaved) - before)
		switch {
		case len(r.unsaved) > historyUnwritten:
			r.unwanted = "the disk does not keep up"
			r.unsaved = r.unsaved[:before]
		case r.size > r.max && !r.rotate:
			r.begin()
		}
	}
	r.signal()
}

// begin begins another file. The caller has the lock.
func (r *recorder) begin() {
	r.rotate, r.keep = true, len(r.unsaved)
	r.unsaved = r.writer.Start(r.unsaved)
	open := r.history.OpenOperations()
	r.unsaved = r.writer.Run(r.unsaved, &check.Run{
		Lab: r.lab.name, Seed: r.lab.config.Seed, Number: uint64(r.lab.run), Before: r.history.Called() - uint64(len(open)),
	})
	for _, op := range open {
		r.unsaved = r.writer.Carried(r.unsaved, op)
	}
	r.size = int64(len(r.unsaved) - r.keep)
}

// signal says that there is something to judge or to write.
func (r *recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run judges and writes what was recorded, until the lab ends.
func (r *recorder) run() {
	l := r.lab
	for l.await(l.ctx, wake{on: channels{r.wake}}) == nil && l.await(l.ctx, wake{after: judgeEvery}) == nil {
		r.flush()
		r.judge(false)
	}
}

// close writes and judges what is left, when nothing of the lab runs any more.
func (r *recorder) close() error {
	r.flush()
	r.judge(true)
	r.flush() // what was broken in the end
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// flush brings to the file what is not there yet.
func (r *recorder) flush() {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	data, rotate, keep := r.unsaved, r.rotate, r.keep
	r.unsaved, r.rotate, r.keep = nil, false, 0
	r.mu.Unlock()
	if len(data) == 0 {
		return
	}
	err := r.write(data, rotate, keep)
	if err == nil {
		return
	}
	r.mu.Lock()
	r.unwanted, r.unsaved = err.Error(), nil
	r.mu.Unlock()
	r.lab.log.Error("the history of client operations is not written any more", "error", err)
}

func (r *recorder) write(data []byte, rotate bool, keep int) error {
	if rotate {
		if _, err := r.file.Write(data[:keep]); err != nil {
			return err
		}
		data = data[keep:]
		if err := r.file.Close(); err != nil {
			return err
		}
		if err := os.Rename(r.lab.dir.history(), r.lab.dir.historyOld()); err != nil {
			return err
		}
		var err error
		if r.file, err = os.OpenFile(r.lab.dir.history(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600); err != nil {
			return err
		}
	}
	_, err := r.file.Write(data)
	return err
}

// judge judges what can be judged by now.
func (r *recorder) judge(final bool) {
	for {
		r.mu.Lock()
		windows := r.history.Take(final)
		r.mu.Unlock()
		if len(windows) == 0 {
			r.stand()
			return
		}
		for _, w := range windows {
			w.Judge()
			r.mu.Lock()
			findings := r.history.Settle(w)
			r.mu.Unlock()
			r.tell(findings)
		}
	}
}

// stand puts into the status how the history stands. Not while the clock is
// held: a held lab is the same however often it is looked at.
func (r *recorder) stand() {
	var now Standing
	r.mu.Lock()
	now.Verdict, now.Judged, now.NotJudged, now.LastJudgedNS = r.history.Standing()
	r.mu.Unlock()
	l := r.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Verdict == check.VerdictNothing || l.clock.Setting().Held || l.stood != nil && *l.stood == now {
		return
	}
	l.stood = &now
	l.touchLab()
}

func (r *recorder) tell(findings []check.Finding) {
	if len(findings) == 0 {
		return
	}
	l := r.lab
	for i := range findings {
		if r.foreign(findings[i].Key) {
			continue
		}
		l.mu.Lock()
		l.violate(findingViolation(&findings[i]))
		l.mu.Unlock()
	}
}

// foreign tells whether a client that is none of the lab's has written to a key,
// as far as logs tell: then what the lab's clients saw there proves nothing. The
// key is not judged any more, and somebody is told.
func (r *recorder) foreign(key string) bool {
	l := r.lab
	l.mu.Lock()
	members := l.members
	l.mu.Unlock()
	own := r.sessions()
	var at raft.Index
	for _, m := range members {
		// A disk that cannot be read says nothing; that it cannot is found elsewhere.
		_, _ = l.engine.scan(m.id, 1, raft.Index(raft.Never), func(page []raft.Entry) error {
			var c kv.Command
			for i := range page {
				if page[i].Kind != raft.EntryCommand || kv.DecodeCommand(page[i].Data, &c) != nil {
					continue
				}
				if c.Op != wire.OpGet && c.Session != 0 && string(c.Key) == key && !own[c.Session] {
					at = page[i].Index
					return errForeign
				}
			}
			return nil
		})
		if at != 0 {
			break
		}
	}
	if at == 0 {
		return false
	}
	mark := check.Mark{LabNS: int64(l.clock.Now()), Kind: check.MarkForeign, Text: key}
	r.mu.Lock()
	r.history.Disown(key)
	r.save(func(b []byte) []byte { return r.writer.Mark(b, &mark) })
	r.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.event(Event{Kind: EventNote, Index: uint64(at), Text: fmt.Sprintf(
		"what clients see of %s is not judged any more: entry %d is of a client whose operations the lab does not record", printable(key, 64), at)})
	return true
}

var errForeign = errors.New("a foreign client")

// renewalsMax is how often one of the lab's clients is taken to have begun another
// session.
const renewalsMax = 64

// sessions are those of the lab's clients, of all its runs.
func (r *recorder) sessions() map[uint64]bool {
	l := r.lab
	own := make(map[uint64]bool)
	for run := uint64(1); run <= uint64(l.run); run++ {
		// How many clients earlier runs had is not known: as many will do as this one, and more.
		for n := uint64(1); n <= l.clients.Load()+1000; n++ {
			session := max(mix(l.config.Seed, seedSession, run, n), 1)
			for k := range uint64(renewalsMax) {
				own[client.Renewed(session, k)] = true
			}
		}
	}
	return own
}

func findingViolation(f *check.Finding) Violation {
	v := Violation{Property: LinearizabilityProperty, Index: f.Index, Nodes: []int{}, LabNS: f.LabNS, Message: f.Message}
	if f.Node != 0 {
		v.Nodes = []int{f.Node}
	}
	return v
}

// report says how the history stands, all that could be judged judged.
func (r *recorder) report() *check.Linearizability {
	r.flush()
	r.judge(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.history.Report()
	if r.unwanted != "" {
		out.Reasons = append(out.Reasons, "the history's file ends before the history does: "+r.unwanted)
	}
	return &out
}

// readHistory reads a history from its files, the older first; there may be but
// one. The error is of what cannot be read; what was read before it is there.
func readHistory(paths ...string) (*check.Reading, error) {
	reading := check.NewReading()
	none := true
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return reading, err
		}
		none = false
		if err := reading.Read(data); err != nil {
			return reading, historyError(path, err)
		}
	}
	if none {
		return reading, fs.ErrNotExist
	}
	return reading, nil
}

// historyError is what a user is told of a history that cannot be read.
func historyError(path string, err error) *Error {
	var damage *check.HistoryDamage
	var version *check.HistoryVersion
	switch {
	case errors.As(err, &damage):
		return Errorf(ExitFailed, "the history %s is damaged at offset %d: %s", path, damage.Offset, damage.Reason).
			WithHint("what is before it was read; what is behind it is lost")
	case errors.As(err, &version):
		return Errorf(ExitFailed, "%s is a history of format %d, this raftlab reads format %d", path, version.Version, version.Reads).
			WithHint("use the raftlab that wrote it")
	}
	return Errorf(ExitUsage, "%s is no history of client operations: %v", path, err).
		WithHint("a lab writes one to the file history in its directory; raftlab ls -o json names the directories")
}
