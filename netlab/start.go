package netlab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// StartOptions are how a lab is started in the background.
type StartOptions struct {
	Home       string
	Name       string
	Config     Config
	Executable string       // "" is this program
	Replace    bool         // a lab of this name is taken down first, and its data deleted
	Progress   func(string) // is told each step; may be nil
}

// upTimeout bounds the time from the start of a lab's process to its word that
// it is up: nodes have joinTimeout of it each, all at once.
const upTimeout = 30 * time.Second

// Start starts a lab as a process of its own, which outlives this one, and
// returns when it takes requests and its nodes run. It does not wait for a
// leader. existed tells that a lab with these settings ran already.
func Start(ctx context.Context, o StartOptions) (c *Client, existed bool, err error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if err := CheckName(o.Name); err != nil {
		return nil, false, err
	}
	if err := o.Config.Validate(); err != nil {
		return nil, false, err
	}
	o.Config = o.Config.settled()
	if err := os.MkdirAll(o.Home, 0o700); err != nil {
		return nil, false, homeError(o.Home, err)
	}
	d := dir(filepath.Join(o.Home, o.Name))
	guard, err := lockStart(ctx, d)
	if err != nil {
		return nil, false, err
	}
	defer unlockStart(guard)

	c, resumed, err := o.makeWay(ctx, d)
	if err != nil || c != nil {
		return c, c != nil, err
	}
	if !resumed {
		if err := o.prepare(d); err != nil {
			return nil, false, o.giveUp(d, toError("make the directory of lab "+o.Name, err))
		}
	}
	if err := copyExecutable(o.Executable, d.binary()); err != nil {
		e := toError("put the program where it survives", err)
		if resumed {
			return nil, false, e
		}
		return nil, false, o.giveUp(d, e)
	}
	if err := spawnLab(ctx, d, o.Name); err != nil {
		if ctx.Err() != nil && !resumed {
			// Whoever changed their mind wants nothing left of it. What a lab said
			// that failed by itself stays.
			return nil, false, o.giveUp(d, err)
		}
		return nil, false, err
	}
	m, err := d.readMeta()
	if err != nil {
		return nil, false, toError("read what lab came up", err)
	}
	return newClient(o.Home, o.Name, m.Socket), false, nil
}

// lockStart makes sure that one process at a time starts or stops a lab. The
// lock is a file beside the lab's directory, which unlockStart removes.
func lockStart(ctx context.Context, d dir) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		lock := flock.New(d.startLock(d.name()), flock.SetPermissions(0o600))
		locked, err := lock.TryLockContext(ctx, 20*time.Millisecond)
		switch {
		case locked && isAt(lock):
			return lock, nil
		case locked: // the one before removed the file: the lock on it excludes nobody
			if err := lock.Close(); err != nil {
				return nil, toError("lock lab "+d.name(), err)
			}
		case errors.Is(err, fs.ErrNotExist):
			return lock, nil // no home, so nothing to stand in the way of
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return nil, Errorf(ExitConflict, "another process is starting or stopping lab %q", d.name()).WithHint("raftlab ls")
		case ctx.Err() != nil:
			return nil, Errorf(ExitFailed, "wait to start or stop lab %q: %v", d.name(), context.Cause(ctx))
		default:
			return nil, toError("lock lab "+d.name(), err)
		}
	}
}

// unlockStart lets the next process start or stop the lab. The file goes first,
// while it is locked: who waits for it sees that, and makes another. Windows
// does not remove a file that is open; there it stays.
func unlockStart(lock *flock.Flock) {
	if lock.Locked() {
		_ = os.Remove(lock.Path())
	}
	_ = lock.Close() // what is left of it ends with the process
}

// isAt tells whether the file that is locked is still where it belongs.
func isAt(lock *flock.Flock) bool {
	opened, err := lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(lock.Path())
	return err == nil && os.SameFile(opened, there)
}

// makeWay deals with what is in d: a lab with these settings is taken, a
// stopped one with kept data goes on, the remains of one that crashed are
// removed; anything else stands in the way.
func (o *StartOptions) makeWay(ctx context.Context, d dir) (c *Client, resumed bool, err error) {
	m, err := d.readMeta()
	if err != nil {
		// Not even with Replace: nobody asked for somebody's files to be deleted.
		foreign, err := d.foreign()
		if err != nil {
			return nil, false, toError("look for lab "+o.Name, err)
		}
		if foreign != "" {
			return nil, false, Errorf(ExitConflict, "%s is there and is no lab's directory: it holds %s", d, quote(foreign)).
				WithHint("move it away, or start the lab under another name: raftlab up --lab NAME")
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, o.remove(d, "")
	}
	if err != nil {
		if o.Replace {
			return nil, false, o.remove(d, "removed a lab directory that cannot be read")
		}
		return nil, false, Errorf(ExitConflict, "lab %q: %v", o.Name, err).WithHint("%s makes it anew", o.again("--replace"))
	}
	same := o.Config.sameAs(m.Config)
	if m.answers() {
		c := newClient(o.Home, o.Name, m.Socket)
		if same {
			return c, false, nil
		}
		if !o.Replace {
			return nil, false, Errorf(ExitConflict, "lab %q runs with other settings: %s", o.Name, o.Config.difference(m.Config)).
				WithHint("%s ends it first; %s goes beside it", o.again("--replace"), "raftlab up --lab NAME")
		}
		o.Progress(fmt.Sprintf("taking down lab %q, which runs with other settings", o.Name))
		return nil, false, c.down(ctx, false)
	}
	// Nobody answers. A process that still has the lock is ending, or hangs.
	lock := flock.New(d.lock(), flock.SetPermissions(0o600))
	waited, cancel := context.WithTimeout(ctx, 2*lockTimeout)
	defer cancel()
	free, err := lock.TryLockContext(waited, 10*time.Millisecond)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && waited.Err() == nil {
		return nil, false, toError("look at lab "+o.Name, err)
	}
	if !free && !errors.Is(err, fs.ErrNotExist) {
		if !o.Replace {
			return nil, false, Errorf(ExitConflict, "the process of lab %q (pid %d) is there but does not answer", o.Name, m.Pid).
				WithHint("%s ends it first", o.again("--replace"))
		}
		if err := d.endProcess(ctx); err != nil {
			return nil, false, err
		}
	}
	if err := lock.Close(); err != nil {
		return nil, false, toError("look at lab "+o.Name, err)
	}
	switch {
	case m.Config.Sim != "":
		return nil, false, o.remove(d, fmt.Sprintf("removed what was left of lab %q, which was simulated: its process (pid %d) is gone", o.Name, m.Pid))
	case m.Kept && same:
		o.Progress(fmt.Sprintf("going on with the data kept of lab %q", o.Name))
		return nil, true, d.removeSocket(m.Socket)
	case m.Pid != 0 && same && !o.Replace:
		// What its nodes had acknowledged is on disk.
		o.Progress(fmt.Sprintf("going on with the data of lab %q, whose process (pid %d) is gone", o.Name, m.Pid))
		return nil, true, d.removeSocket(m.Socket)
	case m.Kept && !o.Replace:
		return nil, false, Errorf(ExitConflict, "lab %q was stopped and its data kept, with other settings: %s", o.Name, o.Config.difference(m.Config)).
			WithHint("%s deletes it", o.again("--replace"))
	case m.Kept:
		return nil, false, o.remove(d, fmt.Sprintf("removed the data kept of lab %q", o.Name))
	case m.Pid != 0:
		return nil, false, o.remove(d, fmt.Sprintf("removed what was left of lab %q: its process (pid %d) is gone", o.Name, m.Pid))
	}
	return nil, false, o.remove(d, fmt.Sprintf("removed what was left of lab %q, which did not come up", o.Name))
}

// again is how to start this lab with one more flag.
func (o *StartOptions) again(flag string) string {
	if o.Name == DefaultName {
		return "raftlab up " + flag
	}
	return "raftlab up --lab " + o.Name + " " + flag
}

// giveUp removes what there is of a lab that is not going to be, and returns why.
func (o *StartOptions) giveUp(d dir, why error) error {
	if err := d.clean(); err != nil {
		return errors.Join(why, toError("remove "+string(d), err))
	}
	return why
}

func (o *StartOptions) remove(d dir, said string) error {
	if err := d.clean(); err != nil {
		return toError("remove "+string(d), err)
	}
	if said != "" {
		o.Progress(said)
	}
	return nil
}

// prepare makes the directory of a new lab.
func (o *StartOptions) prepare(d dir) error {
	if err := os.MkdirAll(filepath.Dir(d.binary()), 0o700); err != nil {
		return err
	}
	return d.writeMeta(&meta{Name: o.Name, Version: Version(), Config: o.Config.withSeed(), Started: time.Now()})
}

// copyExecutable puts the program at to: `go run` deletes its own when it
// returns, and a rebuilt one should not change under a running lab.
func copyExecutable(from, to string) error {
	if from == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		from = self
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// spawnLab starts the lab's process in its own session and waits for its word
// that it is up. What it has to say later goes to its log.
func spawnLab(ctx context.Context, d dir, name string) error {
	log, err := os.OpenFile(d.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return toError("open the lab's log", err)
	}
	defer log.Close()
	written, err := log.Stat()
	if err != nil {
		return toError("open the lab's log", err)
	}
	word, end, err := os.Pipe()
	if err != nil {
		return toError("start the lab", err)
	}
	defer word.Close()
	cmd := exec.Command(d.binary(), "lab", "--dir", string(d))
	cmd.Dir = filepath.Dir(string(d)) // not in what it removes in the end
	cmd.Stdout, cmd.Stderr = end, log
	ownSession(cmd)
	err = startRetry(cmd)
	end.Close()
	if err != nil {
		return toError("start the lab", err)
	}
	said := make(chan error, 1)
	go func() { said <- hear(word) }()
	select {
	case err = <-said:
	case <-ctx.Done():
		err = Errorf(ExitFailed, "start lab %q: %v", name, context.Cause(ctx))
	case <-time.After(upTimeout):
		err = Errorf(ExitTimeout, "lab %q has not come up for %v", name, upTimeout).WithHint("what it said: %s", d.log())
	}
	if err == nil {
		return errOrNil(cmd.Process.Release())
	}
	// It ends by itself if it has said so; one that has not must not linger.
	var e *Error
	if !errors.As(err, &e) {
		e = Errorf(ExitFailed, "the process of lab %q ended as soon as it was started: %s", name, orSilent(lastLine(d.log(), written.Size()))).
			WithHint("what it said: %s", d.log())
	} else if e.Code == ExitTimeout || ctx.Err() != nil {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return toError("end the lab that did not come up", err)
		}
	}
	_ = cmd.Wait() // reaped; how it ended is known
	return e
}

func errOrNil(err error) error {
	if err != nil {
		return toError("start the lab", err)
	}
	return nil
}

func orSilent(said string) string {
	if said == "" {
		return "it said nothing"
	}
	return said
}

// hear reads a lab's word that it is up, or why not. An error that is no
// *Error: it ended without one.
func hear(r io.Reader) error {
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil {
		return err
	}
	var said ready
	if err := json.Unmarshal(line, &said); err != nil {
		return fmt.Errorf("%s: %w", printable(string(line), 200), err)
	}
	if said.Error != nil {
		return said.Error
	}
	return nil
}
