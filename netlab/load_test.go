package netlab

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// Turns come at the rate, in lab time, until the load's time is over. A client
// that takes long makes them wait; when that is more than a second they begin
// anew.
func TestPace(t *testing.T) {
	const at = raft.Time(time.Second) // when it begins
	for _, c := range []struct {
		name  string
		clock float64 // its rate
		until raft.Time
		busy  time.Duration // how long the first turn takes, in real time
		want  []time.Duration
	}{
		{"a while", 1, at + raft.Time(50*time.Millisecond), 0, ms(0, 10, 20, 30, 40)},
		{"its end is no turn", 1, at + raft.Time(41*time.Millisecond), 0, ms(0, 10, 20, 30, 40)},
		{"on a slow clock", 0.1, at + raft.Time(25*time.Millisecond), 0, ms(0, 100, 200)},
		{"a busy client", 1, at + raft.Time(60*time.Millisecond), 25 * time.Millisecond, ms(0, 25, 25, 30, 40, 50)},
		{"missed", 1, at + raft.Time(1525*time.Millisecond), 1500 * time.Millisecond, ms(0, 1500, 1510, 1520)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lab{ctx: t.Context(), clock: clock.New(clock.Setting{At: at, Rate: c.clock})}
				l.tasks = goroutines{l}
				w := &writers{rate: 100, until: c.until, start: at}
				began := time.Now()
				var got []time.Duration
				for {
					n, ok := l.nextTurn(t.Context(), w)
					if !ok {
						break
					}
					if n != uint64(len(got)) {
						t.Errorf("turn %d after %d turns", n, len(got))
					}
					if got = append(got, time.Since(began)); n == 0 {
						time.Sleep(c.busy)
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("turns at %v, want %v", got, c.want)
				}
			})
		})
	}
}

func ms(ns ...time.Duration) []time.Duration {
	for i := range ns {
		ns[i] *= time.Millisecond
	}
	return ns
}
