//go:build !linux

package proxy

import (
	"os"
	"time"
)

// alarm goes off once after a set time.
type alarm struct {
	timer *time.Timer
	done  chan struct{}
}

func newAlarm() (*alarm, error) {
	a := &alarm{timer: time.NewTimer(time.Hour), done: make(chan struct{})}
	a.timer.Stop()
	return a, nil
}

// set makes the alarm go off after d, and not at the time set before.
func (a *alarm) set(d time.Duration) { a.timer.Reset(d) }

// wait returns when the alarm goes off; os.ErrClosed when it is closed.
func (a *alarm) wait() error {
	select {
	case <-a.timer.C:
		return nil
	case <-a.done:
		return os.ErrClosed
	}
}

func (a *alarm) close() {
	a.timer.Stop()
	close(a.done)
}
