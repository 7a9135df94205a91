package proxy

import "time"

// lead is how much before its time the alarm is set. Waking up takes: the
// kernel ends a sleep some microseconds late, and on a processor that has gone
// to rest, on a virtual machine above all, a hundred. So the schedule wakes a
// little early and stays awake for the rest. How early is learned from how late
// the alarm rang; how much of the time may go into staying awake is bounded,
// because a busy machine has better uses for it and is awake anyway.
type lead struct {
	early  time.Duration // what nearly every alarm was late by at most
	credit time.Duration // may be spent on staying awake
	upTo   time.Time     // credit counts up to here
}

const (
	leadMax = 250 * time.Microsecond
	// An alarm later than early makes it grow eight times as much as another
	// makes it shrink: that settles where one in nine is later.
	leadUp   = 8 * time.Microsecond
	leadDown = time.Microsecond
	// One part in leadShare of the time may be spent on staying awake, and no
	// more than creditMax is put by.
	leadShare = 32
	creditMax = 5 * time.Millisecond
)

// rang learns from an alarm that rang late by this.
func (l *lead) rang(late time.Duration) {
	if late > l.early {
		l.early = min(l.early+leadUp, leadMax)
	} else {
		l.early = max(l.early-leadDown, 0)
	}
}

// allowed returns how much before its time to wake up, as things are.
func (l *lead) allowed(now time.Time) time.Duration {
	l.credit = min(l.credit+now.Sub(l.upTo)/leadShare, creditMax)
	l.upTo = now
	if l.credit <= 0 {
		return 0
	}
	return l.early
}

// spent takes off what staying awake has cost.
func (l *lead) spent(d time.Duration) { l.credit -= d }
