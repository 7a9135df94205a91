package netlab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/node"
	"github.com/raftlab/raftlab/node/client"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/raft"
)

// processes is the engine of a lab whose nodes are processes, connected over TCP
// through the lab's proxy.
type processes struct {
	lab     *lab
	token   string       // what nodes say in their hello
	control net.Listener // for nodes
	proxy   *proxy.Proxy
	spawner *spawner
	talking context.Context // ends when no node is left to talk with
	silence context.CancelFunc
}

func (*processes) name() string { return EngineProcess }

func (p *processes) open() (wires, error) {
	l := p.lab
	token := make([]byte, 16)
	rand.Read(token)
	p.token = hex.EncodeToString(token)
	var err error
	if p.proxy, err = proxy.New(proxy.Options{Seed: l.config.Seed, Clock: l.clock, Token: p.token, Logger: l.log, Watch: l.watchFrame}); err != nil {
		return nil, err
	}
	if err := p.proxy.Listen("127.0.0.1:0"); err != nil {
		p.proxy.Close()
		return nil, err
	}
	if p.control, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		p.proxy.Close()
		return nil, fmt.Errorf("listen for nodes: %w", err)
	}
	p.talking, p.silence = context.WithCancel(context.Background())
	p.spawner = newSpawner()
	return p.proxy, nil
}

func (p *processes) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(p.acceptControl)
	g.Go(func() error { return p.proxy.Run(ctx) })
	return g.Wait()
}

// hangUp ends nodes that have not been ended, too: they do when their lab hangs up.
func (p *processes) hangUp() error {
	p.silence()
	return p.control.Close()
}

func (p *processes) close() { p.spawner.close() }

func (p *processes) newClient(session, seed uint64, nodes func() []int) kvClient {
	return client.New(client.Options{
		Addrs: func() []string {
			ids := nodes()
			p.lab.mu.Lock()
			defer p.lab.mu.Unlock()
			var addrs []string
			for _, id := range ids {
				if m := p.lab.member(id); m != nil && m.status.ClientAddr != "" {
					addrs = append(addrs, m.status.ClientAddr)
				}
			}
			return addrs
		},
		LeaderFirst: true,
		Session:     session,
		Seed:        seed,
	})
}

func (p *processes) launch(m *member) (*child, func(), error) {
	l := p.lab
	if err := os.MkdirAll(l.dir.node(m.id), 0o700); err != nil {
		return nil, nil, err
	}
	log, err := os.OpenFile(l.dir.nodeLog(m.id), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer log.Close() // the process has its own
	written, err := log.Stat()
	if err != nil {
		return nil, nil, err
	}

	cmd := exec.Command(l.dir.binary(), "node")
	cmd.Dir = l.dir.node(m.id)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(),
		fmt.Sprintf("%s=%d", node.EnvID, m.id),
		node.EnvDir+"="+l.dir.nodeData(m.id),
		node.EnvLab+"="+p.control.Addr().String(),
		node.EnvToken+"="+p.token,
	)
	ownGroup(cmd)
	l.mu.Lock()
	cmd.Env = append(cmd.Env, m.diskEnv()...)
	l.mu.Unlock()
	if err := p.spawner.start(cmd); err != nil {
		return nil, nil, startError(m.id, err).WithHint("nodes are started from %s; \"raftlab down --keep-data\" and \"raftlab up\" put it there anew", l.dir.binary())
	}
	c := &child{life: osProcess{cmd.Process}, pid: cmd.Process.Pid, gone: make(chan struct{})}
	return c, func() {
		err := cmd.Wait()
		c.exit = cmd.ProcessState.String()
		if !cmd.ProcessState.Exited() || err != nil && !isExit(err) {
			c.exit = strings.TrimPrefix(fmt.Sprint(err), "signal: ")
		}
		c.last = lastLine(l.dir.nodeLog(m.id), written.Size())
	}, nil
}

func isExit(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit)
}

// osProcess is a life as the system has it.
type osProcess struct{ *os.Process }

func (p osProcess) kill() error      { return p.Kill() }
func (p osProcess) terminate() error { return terminate(p.Process) }
func (p osProcess) pause() error     { return pause(p.Process) }
func (p osProcess) resume() error    { return resume(p.Process) }

func (p *processes) end() {
	l := p.lab
	var all sync.WaitGroup
	l.mu.Lock()
	for _, m := range l.members {
		c := m.proc
		if c == nil {
			continue
		}
		m.asked = true
		paused := m.status.State == StatePaused
		all.Go(func() {
			// A failure leaves a process that kill below ends, or that has ended.
			if paused {
				_ = c.resume()
			}
			_ = c.terminate()
			select {
			case <-c.gone:
				return
			case <-time.After(endTimeout):
				l.log.Warn("node did not end when asked, killing it", "node", m.id, "pid", c.pid)
			}
			if err := c.kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				l.log.Error("kill node", "node", m.id, "pid", c.pid, "error", err)
				return
			}
			<-c.gone
		})
	}
	l.mu.Unlock()
	all.Wait()
}

func (p *processes) hasData(id int) (bool, error) {
	_, err := os.Stat(p.lab.dir.nodeData(id))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (p *processes) wipe(id int) error   { return os.RemoveAll(p.lab.dir.nodeData(id)) }
func (p *processes) forget(id int) error { return os.RemoveAll(p.lab.dir.node(id)) }

func (p *processes) preload(id int, state raft.HardState, entries []raft.Entry) error {
	data := p.lab.dir.nodeData(id)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	return wal.Create(data, state, entries)
}

func (p *processes) scan(id int, from, end raft.Index, page func([]raft.Entry) error) (raft.Restored, error) {
	return wal.Scan(p.lab.dir.nodeData(id), from, end, page)
}

func (p *processes) settle(ctx context.Context) (at raft.Time, nodes []int, err error) {
	all, err := p.lab.waiting(ctx)
	if err != nil {
		return 0, nil, err
	}
	at = p.lab.clock.Now()
	for id, w := range all {
		at, nodes = max(at, w.At), append(nodes, id)
	}
	return at, nodes, nil
}

func (p *processes) next(ctx context.Context, line string) (*Step, uint64, error) {
	l := p.lab
	all, err := l.waiting(ctx)
	if err != nil {
		return nil, 0, err
	}
	next, err := l.first(all)
	if err != nil {
		return nil, 0, err
	}
	if !l.advance(next.at) {
		return nil, 0, errRuns()
	}
	return l.carryOut(ctx, next, line)
}

// flipTries is how often a log that is being written to is looked at, until it
// does not change meanwhile.
const flipTries = 5

func (p *processes) flip(m *member, op *Op, draw uint64) (string, error) {
	p.lab.mu.Lock()
	alive := m.status.State == StateUp
	p.lab.mu.Unlock()
	at, index, err := p.flipWhere(m, op, draw)
	for try := 1; err != nil && alive && try < flipTries; try++ {
		at, index, err = p.flipWhere(m, op, draw)
	}
	if err != nil {
		return "", flipError(m, index, err)
	}
	off := at.From + int64(draw>>8%uint64(at.To-at.From))
	bit := int(draw % 8)
	if err := flipBit(at.File, off, bit); err != nil {
		return "", flipError(m, index, err)
	}
	text := fmt.Sprintf("bit %d of byte %d of %s is flipped", bit, off, filepath.Base(at.File))
	if index != 0 {
		text += fmt.Sprintf(", in entry %d", index)
	}
	return text, nil
}

// flipWhere is where a bit is to be flipped, and in which entry; 0 when a byte
// was named.
func (p *processes) flipWhere(m *member, op *Op, draw uint64) (at wal.Extent, index uint64, err error) {
	data := p.lab.dir.nodeData(m.id)
	if op.Offset == nil {
		if index = op.Index; index == 0 {
			found, err := wal.Scan(data, 1, 1, nil)
			if err != nil {
				return at, 0, err
			}
			first, last := uint64(found.Base)+1, uint64(found.LastIndex)
			if last < first {
				return at, 0, Errorf(ExitConflict, "the log of S%d holds no entry that a bit could be flipped in", m.id).WithHint("raftlab log %d", m.id)
			}
			index = first + draw>>16%(last-first+1)
		}
		at, err = wal.Locate(data, raft.Index(index))
		return at, index, err
	}
	path := filepath.Join(data, op.File)
	if op.File == "" {
		if at, err = wal.Locate(data, 0); err != nil {
			return at, 0, err
		}
		path = at.File
	}
	info, err := os.Stat(path)
	switch ext := filepath.Ext(path); {
	case errors.Is(err, fs.ErrNotExist) || ext != ".wal" && ext != ".snap":
		return at, 0, Errorf(ExitUsage, "S%d has no log or snapshot in a file %s", m.id, quote(filepath.Base(path))).WithHint("ls %s", data)
	case err != nil:
		return at, 0, err
	case *op.Offset >= info.Size():
		return at, 0, Errorf(ExitUsage, "%s of S%d has %d bytes, so it has no byte %d", filepath.Base(path), m.id, info.Size(), *op.Offset).WithHint("raftlab disk %d flip --index 1", m.id)
	}
	return wal.Extent{File: path, From: *op.Offset, To: *op.Offset + 1}, 0, nil
}

// flipBit turns one bit of a file around.
func flipBit(path string, off int64, bit int) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [1]byte
	if _, err = f.ReadAt(b[:], off); err == nil {
		b[0] ^= 1 << bit
		_, err = f.WriteAt(b[:], off)
	}
	return errors.Join(err, f.Close())
}
