package netlab

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// A lab's process can hang, or somebody can stop it: its socket still takes
// connections then, for the kernel does that, and nobody ever answers. Some
// questions take long by themselves (a wait, a stream of a lab at rest), so
// that an answer is late says nothing. Who waits for one asks beside it
// something that a lab always answers at once.

const (
	// hangCheck is how long an answer may take before the lab is asked whether
	// it is there, and from then on the time between two such questions.
	hangCheck = 2 * time.Second
	// hangWait bounds the answer to that question. It is no work for the lab, but
	// a machine may be busy.
	hangWait = 4 * time.Second
	// downWait bounds how long a lab may take to end before it is killed. A node
	// has endTimeout to end, all of them at once.
	downWait = 10 * time.Second
	// killWait bounds how long the kernel may take to end a killed process.
	killWait = 5 * time.Second
)

// watch returns a context that ends, with an *Error that says so, when the lab
// does not answer any more. release ends the watching.
func (c *Client) watch(ctx context.Context) (watched context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(hangCheck)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if c.hangs(ctx) {
				cancel(c.hung())
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// hangs tells whether the lab leaves the simplest question unanswered. A lab
// that cannot be asked does not hang: it is gone, and who asks it hears that.
func (c *Client) hangs(ctx context.Context) bool {
	asking, cancel := context.WithTimeout(ctx, hangWait)
	defer cancel()
	req, err := http.NewRequestWithContext(asking, http.MethodGet, "http://raftlab/v1/access", nil)
	if err != nil {
		return false
	}
	resp, err := c.http.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return err != nil && ctx.Err() == nil && errors.Is(asking.Err(), context.DeadlineExceeded)
}

func (c *Client) hung() *Error {
	e := Errorf(ExitTimeout, "lab %q does not answer: its process hangs, or was stopped", c.name)
	down := "raftlab down"
	if c.name != DefaultName {
		down += " --lab " + c.name
	}
	if m, err := c.dir.readMeta(); err == nil && m.Pid != 0 {
		e.Message = Errorf(0, "lab %q does not answer: its process (pid %d) hangs, or was stopped", c.name, m.Pid).Message
		return e.WithHint("if it was stopped, kill -CONT %d lets it go on; \"%s\" ends it", m.Pid, down)
	}
	return e.WithHint("\"%s\" ends it", down)
}

// watchedBody is an answer that is watched until it is closed.
type watchedBody struct {
	io.ReadCloser
	c       *Client
	ctx     context.Context
	path    string
	release func()
}

// Read returns an *Error when the lab hung in the middle of its answer.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var hangs *Error
	if err != nil && errors.As(context.Cause(b.ctx), &hangs) {
		return n, hangs
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.release()
	return b.ReadCloser.Close()
}

// endProcess kills the process of the lab in d, if there is one, and waits
// until it is gone; its nodes go with it. That it is the lab's own is certain:
// it alone holds the lock, and wrote who it is after it took that.
func (d dir) endProcess(ctx context.Context) error {
	lock := flock.New(d.lock(), flock.SetPermissions(0o600))
	defer lock.Close()
	free, err := lock.TryLock()
	switch {
	case free, errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil: // this says nothing of who holds it, so nobody is killed
		return toError("look whether lab "+d.name()+" has a process", err)
	}
	m, err := d.readMeta()
	if err != nil {
		return toError("find the process of lab "+d.name(), err)
	}
	if m.Pid == 0 {
		return Errorf(ExitTimeout, "lab %q does not answer, and has not said which process it is", d.name()).WithHint("raftlab ls")
	}
	proc, err := os.FindProcess(m.Pid)
	if err == nil {
		err = proc.Kill()
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return Errorf(ExitFailed, "lab %q does not answer, and its process (pid %d) cannot be ended: %v", d.name(), m.Pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, killWait)
	defer cancel()
	if free, err := lock.TryLockContext(ctx, 10*time.Millisecond); !free && !errors.Is(err, fs.ErrNotExist) {
		return Errorf(ExitTimeout, "the process of lab %q (pid %d) was killed and is still there after %v", d.name(), m.Pid, killWait).
			WithHint("ps -o pid,stat,wchan -p %d", m.Pid)
	}
	return nil
}

// keepDead marks the data in d as kept for the next, if its process has not
// done so before it ended. One that is still there is killed.
func (d dir) keepDead(ctx context.Context) error {
	m, err := d.readMeta()
	if err == nil && (m.Kept || m.Runs == 0) {
		return nil // there is nothing new to keep
	}
	if err == nil {
		err = d.endProcess(ctx)
	}
	if err == nil {
		err = d.removeSocket(m.Socket)
	}
	if err == nil {
		m.Pid, m.Stopped, m.Kept = 0, true, true
		err = d.writeMeta(m)
	}
	if err != nil {
		return toError("keep the data of lab "+d.name(), err)
	}
	return nil
}

// Keep makes the next `up` of a lab that does not answer go on with its data. A
// process of it that is still there is killed.
func Keep(ctx context.Context, home, name string) error {
	return settleDead(ctx, home, name, func(d dir) error { return d.keepDead(ctx) })
}

// Clear removes what a lab left behind that does not answer. A process of it
// that is still there is killed.
func Clear(ctx context.Context, home, name string) error {
	return settleDead(ctx, home, name, func(d dir) error {
		if err := d.clean(); err != nil {
			return toError("remove "+string(d), err)
		}
		return nil
	})
}

// settleDead ends what is left of the process of a lab that does not answer,
// and has settle see to its directory. Nobody else starts or stops it meanwhile.
func settleDead(ctx context.Context, home, name string, settle func(dir) error) error {
	if err := CheckName(name); err != nil {
		return err
	}
	d := dir(filepath.Join(home, name))
	guard, err := lockStart(ctx, d)
	if err != nil {
		return err
	}
	defer unlockStart(guard)
	if _, err := d.readMeta(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		if foreign, err := d.foreign(); err != nil || foreign != "" {
			return Errorf(ExitNoLab, "%s is no lab's directory", d).WithHint("raftlab ls")
		}
	}
	if err := d.endProcess(ctx); err != nil {
		return err
	}
	return settle(d)
}
