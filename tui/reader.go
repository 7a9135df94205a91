package tui

import (
	"context"
	"errors"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// The pauses between attempts to reach a lab that was lost.
const (
	retryFirst = 250 * time.Millisecond
	retryLast  = 2 * time.Second
)

// historyLimit is how many events are asked for at once when some were not
// sent; fillEvery is how often at most.
const (
	historyLimit = 500
	fillEvery    = 500 * time.Millisecond
)

// reader folds the lab's stream into the store, for as long as it takes to
// reach the lab again when it is lost.
type reader struct {
	source Source
	store  *store
	every  time.Duration // how often an update is wanted
	filled time.Time     // when events were last asked for
}

func (r *reader) run(ctx context.Context) {
	pause := retryFirst
	for ctx.Err() == nil {
		began := time.Now()
		err := r.source.Stream(ctx, netlab.StreamOptions{Frames: true, EveryMS: int(r.every / time.Millisecond)}, func(u netlab.Update) error {
			return r.take(ctx, u)
		})
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > retryLast {
			pause = retryFirst
		}
		cause, ended := causeOf(err)
		r.store.change(func(l *labState) { l.lose(time.Now(), cause, ended || l.conn.ended) })
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, retryLast)
	}
}

// causeOf says why the stream ended, and whether because the lab was stopped
// on purpose.
func causeOf(err error) (cause string, ended bool) {
	var e *netlab.Error
	switch {
	case err == nil:
		return "the lab was stopped", true
	case errors.As(err, &e):
		return e.Message, e.Stopped
	}
	return err.Error(), false
}

// take folds one update in. Events that were left out are asked for here, in
// the reader's own time.
func (r *reader) take(ctx context.Context, u netlab.Update) error {
	var history []netlab.Event
	if q, ok := r.wants(&u); ok {
		r.filled = time.Now()
		var err error
		if history, err = r.source.Events(ctx, q); err != nil {
			return err
		}
	}
	r.store.change(func(l *labState) { l.apply(u, history, time.Now()) })
	return nil
}

// wants says which events to ask for before u, if any.
func (r *reader) wants(u *netlab.Update) (netlab.EventQuery, bool) {
	last := r.store.lastEvent(u)
	next := last + 1
	switch {
	case u.Status != nil:
		next = u.Status.LastEvent + 1
	case len(u.Events) > 0:
		next = u.Events[0].ID
	}
	missing := next > last+1
	if !missing || u.Status == nil && time.Since(r.filled) < fillEvery {
		return netlab.EventQuery{}, false
	}
	return netlab.EventQuery{After: last, Limit: historyLimit}, true
}
