package node

import (
	"testing"
	"time"
)

func TestStatesAreSpaced(t *testing.T) {
	const ms = time.Millisecond
	start := time.Unix(1000, 0)
	tests := []struct {
		name         string
		major, minor bool
		after        time.Duration // since the last one shown
		due          bool
		wake         time.Duration // 0: not at all
	}{
		{"nothing changed: nothing to show, ever", false, false, time.Hour, false, 0},
		{"a change after a pause goes at once", true, false, time.Hour, true, changeSpacing},
		{"a change right behind another waits a little", true, false, 1 * ms, false, changeSpacing},
		{"a heartbeat after a pause goes at once", false, true, time.Hour, true, touchWait},
		{"a heartbeat 50 ms after another goes at once", false, true, 50 * ms, true, touchWait},
		{"an answer to a heartbeat waits for the next turn, but not for ever", false, true, 1 * ms, false, touchWait},
		{"a change takes the timers along", true, true, 10 * ms, true, changeSpacing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := showing{last: start, major: tt.major, minor: tt.minor}
			if got := s.due(start.Add(tt.after)); got != tt.due {
				t.Errorf("due %v after the last: %v, want %v", tt.after, got, tt.due)
			}
			at, ok := s.wake()
			if ok != (tt.wake != 0) || ok && at.Sub(start) != tt.wake {
				t.Errorf("wake %v after the last, %v; want %v", at.Sub(start), ok, tt.wake)
			}
		})
	}
}

// The alarm is moved forward only; ringing early costs a turn, late an election.
func TestAlarmRingsInTime(t *testing.T) {
	a := newAlarm()
	defer a.stop()
	now := time.Now()
	a.set(now.Add(time.Hour), true)
	a.set(now.Add(2*time.Hour), true)
	if got := a.at.Sub(now); got != time.Hour {
		t.Errorf("set to 1 h, then 2 h: rings after %v, want 1h", got)
	}
	a.set(time.Time{}, false)
	a.set(now.Add(time.Millisecond), true)
	<-a.timer.C
	a.rang()
	a.set(now.Add(2*time.Hour), true)
	if got := a.at.Sub(now); got != 2*time.Hour {
		t.Errorf("set to 2 h after it rang: rings after %v", got)
	}
}
