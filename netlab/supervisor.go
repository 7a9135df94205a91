package netlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// member is a node of the lab: its process, its conversation with the lab, and
// what is known of it. Guarded by lab.mu.
type member struct {
	id     int
	status NodeStatus
	rev    uint64 // lab.rev at the last change of status

	proc     *child
	asked    bool          // the end of proc was asked for
	fatal    string        // why the node says it stops
	lasting  bool          // and would again, however often it is started
	expected bool          // proc was or is being started and has not registered yet
	conn     conversation  // nil until it has registered
	up       bool          // it has reported its state: it registered and its log is sound
	joined   chan struct{} // closed when up
	held     bool          // it has said that its clock stands

	joins   bool          // it has no configuration to begin with
	leaves  bool          // it ends once it is out of the configuration
	seenOff bool          // somebody waits for that
	gone    chan struct{} // closed when it is no member any more

	disk nodeDisk
	own  nodeClock
	said said

	again *comeback // it is restarted by itself; nil when not
	tries int       // how often it was in a row
	begun raft.Time // when its process was started

	target  *TargetStatus       // what it, leading, prepares; not to be changed
	config  *raft.Configuration // its newest, for the sentences of its events; not to be changed
	dropped counted             // changes of the configuration it gave up
	refused counted             // handovers that came to nothing
	stepped raft.Term           // in which it gave up the leadership
	role    raft.Role           // as of its last fact
}

// counted is a fact that came more than once: how often, and the last.
type counted struct {
	n    int
	last raft.Event
}

func newMember(id int) *member {
	return &member{id: id, status: newNodeStatus(id), gone: make(chan struct{})}
}

const (
	// joinTimeout bounds the time from a node's start to its first report, in
	// real time: it reads its whole log in between.
	joinTimeout = 10 * time.Second
	// endTimeout is how long a node may take to end when asked to.
	endTimeout = time.Second
)

// startMember starts a node's process. It does not wait for it to register.
func (l *lab) startMember(m *member) error {
	l.mu.Lock()
	m.expected, m.up, m.joined = true, false, make(chan struct{})
	l.mu.Unlock()
	c, live, err := l.engine.launch(m)
	if err != nil {
		l.mu.Lock()
		m.expected = false
		l.mu.Unlock()
		return startError(m.id, err)
	}
	l.mu.Lock()
	m.proc, m.asked, m.fatal, m.lasting, m.begun = c, false, "", false, l.clock.Now()
	m.stayDead() // it does not
	s := &m.status
	s.State, s.Pid, s.Exit, s.Forgot, s.StateNS = StateUp, c.pid, "", "", int64(l.clock.Now())
	s.Starts++
	l.event(Event{Kind: EventProcess, Node: m.id, Text: "starts" + c.who()})
	l.touch(m)
	l.mu.Unlock()
	l.spawn(func() {
		live()
		l.ended(m, c)
		close(c.gone)
	})
	return nil
}

func startError(id int, err error) *Error {
	return toError(fmt.Sprintf("start S%d", id), err) // which knows a full disk
}

// ended takes note of a process that is no more.
func (l *lab) ended(m *member, c *child) {
	l.mu.Lock()
	if m.proc != c {
		l.mu.Unlock()
		return
	}
	// Before anybody can see that it is dead, and start it again: the next process
	// is put on the network under this lock, too.
	if err := l.network.detach(m.id); err != nil {
		l.log.Error("network", "error", err)
	}
	conn := m.conn
	m.proc, m.conn, m.expected = nil, nil, false
	s := &m.status
	s.State, s.Pid, s.StateNS = StateDead, 0, int64(l.clock.Now())
	s.TimerStartNS, s.TimerEndNS = 0, 0
	if m.disk.Fault == wire.DiskLie {
		l.checks.lied(m.id, l.clock.Now())
	}
	m.spendDisk()
	if !m.asked {
		s.Exit = c.why()
		if m.fatal != "" {
			s.Exit = m.fatal
		}
		l.event(Event{Kind: EventProcess, Node: m.id, Text: "ended by itself: " + s.Exit})
		l.log.Warn("node ended by itself", "node", m.id, "pid", c.pid, "exit", s.Exit)
		l.comeBack(m)
	}
	l.touch(m)
	l.mu.Unlock()
	if conn != nil {
		conn.close()
	}
}

// awaitJoin waits until a node that was started has registered and runs.
func (l *lab) awaitJoin(ctx context.Context, m *member) error {
	l.mu.Lock()
	proc, joined := m.proc, m.joined
	l.mu.Unlock()
	if proc == nil {
		return l.diedAtOnce(m)
	}
	err := l.await(ctx, wake{on: channels{joined, proc.gone}, after: joinTimeout})
	switch {
	case isClosed(joined):
		return nil
	case isClosed(proc.gone):
		return l.diedAtOnce(m)
	case err == nil:
		return Errorf(ExitTimeout, "S%d%s was started, but has not registered with the lab for %v", m.id, proc.who(), joinTimeout).
			WithHint("%s", l.whereItSaid(m.id))
	}
	return Errorf(ExitTimeout, "wait for S%d to register: %v", m.id, err)
}

func (l *lab) diedAtOnce(m *member) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := Errorf(ExitFailed, "S%d ended as soon as it was started: %s", m.id, m.status.Exit)
	switch {
	case m.disk.Fault != wire.DiskOK:
		return e.WithHint("its disk is so: %s. \"raftlab disk %d ok\", then \"raftlab restart %d\"", diskText(m.disk.Disk), m.id, m.id)
	case m.lasting:
		return e.WithHint("%s; \"raftlab wipe %d\" and \"raftlab restart %d\" bring it back empty", l.whereItSaid(m.id), m.id, m.id)
	}
	return e.WithHint("%s", l.whereItSaid(m.id))
}

// whereItSaid is where to look for what a node had to say.
func (l *lab) whereItSaid(id int) string {
	if l.config.Sim != "" {
		return "raftlab events shows what led to it"
	}
	return "what it said: " + l.dir.nodeLog(id)
}

// killMember ends a node's process with SIGKILL and reaps it; false when it
// has none. What caused it makes the event.
func (l *lab) killMember(m *member) (pid int, ok bool, err error) {
	l.mu.Lock()
	c := m.proc
	if c != nil {
		m.asked = true
	}
	l.mu.Unlock()
	if c == nil {
		return 0, false, nil
	}
	if err := c.kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return c.pid, false, Errorf(ExitFailed, "kill S%d%s: %v", m.id, c.who(), err)
	}
	l.attend(c.gone)
	return c.pid, true, nil
}
