package clock

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftlab/raftlab/raft"
)

func TestDriftTellsBothTimes(t *testing.T) {
	for _, d := range []Drift{{}, {From: 1000, Shows: 1000}, {From: 1000, Shows: 1700}, {From: 1000, Shows: 400, Rate: 1},
		{From: 7, Shows: 9, Rate: 1.2}, {From: 1e15, Shows: 1e15 + 5e9, Rate: 0.1}, {From: 3, Shows: 1, Rate: 1000}, {From: 5, Shows: 50, Rate: 1.0 / 3}} {
		before := raft.Time(-1 << 62)
		for lab := d.From; lab < d.From+5000; lab += 7 {
			own := d.Own(lab)
			if own < before {
				t.Fatalf("%+v: it goes back to %d at %d", d, own, lab)
			}
			before = own
			for ask := own; ask < own+5; ask++ {
				if back := d.Lab(ask); d.Own(back) < ask || d.Own(back-1) >= ask {
					t.Fatalf("%+v: it shows %d at %d, %d at %d and %d at the one before; %d was asked for", d, own, lab, d.Own(back), back, d.Own(back-1), ask)
				}
			}
		}
		if d.Own(d.From) != d.Shows {
			t.Errorf("%+v shows %d to begin with", d, d.Own(d.From))
		}
		if d.Lab(raft.Never) != raft.Never {
			t.Errorf("%+v: never comes", d)
		}
	}
}

// A node's clock that is told its own settings shows what the lab thinks it
// does, over changes of rate and hold; one that is ahead stands and does not go back.
func TestClockFollowsItsDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := New(Setting{Rate: 1})
		d := Drift{}
		own := New(d.Setting(lab.Setting()))
		tell := func(drift Drift) {
			d = drift
			own.Set(d.Setting(lab.Setting()))
		}
		same := func(what string) {
			t.Helper()
			if want, got := d.Own(lab.Now()), own.Now(); got < want-1 || got > want+1 {
				t.Errorf("%s: it shows %d, want %d", what, got, want)
			}
		}
		time.Sleep(time.Second)
		tell(Drift{From: lab.Now(), Shows: lab.Now(), Rate: 0.25})
		time.Sleep(time.Second)
		same("four times as slow")
		lab.Adjust(0.5, false)
		tell(d)
		time.Sleep(time.Second)
		same("with the lab at half its speed")
		lab.Adjust(0.5, true)
		tell(d)
		time.Sleep(time.Second)
		same("held")
		lab.Adjust(1, false)
		tell(Drift{From: lab.Now(), Shows: lab.Now() + raft.Time(time.Second)})
		same("ahead")
		ahead := own.Now()
		tell(Drift{From: lab.Now(), Shows: lab.Now()})
		time.Sleep(999 * time.Millisecond)
		if now := own.Now(); now != ahead {
			t.Errorf("set back by a second it shows %d, a while later %d", ahead, now)
		}
		time.Sleep(time.Second)
		same("once the lab has caught up")
	})
}
