package node

import (
	"testing"
	"time"
)

func TestLoadHasPassedWhenLittleIsWritten(t *testing.T) {
	now := time.Unix(1000, 0)
	clock := func() time.Time { return now }
	write := func(s *resting, bytes int) {
		s.moved(bytes, clock)
	}
	s := newResting(true, now)
	look := func(what string, want bool) {
		t.Helper()
		now = now.Add(restAfter)
		if got := s.passed(now); got != want {
			t.Errorf("%s: passed = %v, want %v", what, got, want)
		}
	}
	look("after starting up", true)
	look("when nothing was written since", false)
	write(&s, restBytes/2)
	look("after less than a collection is worth", false)
	write(&s, restBytes/2)
	look("under load", false)
	write(&s, quietBytes+1)
	look("under less load", false)
	write(&s, quietBytes)
	look("when only a little is written", true)
	if _, ok := s.wake(); ok {
		t.Error("it wants to look again, though nothing was written")
	}
	other := newResting(false, now)
	now = now.Add(restAfter)
	if other.passed(now) {
		t.Error("a node that shares its process gives back the process's memory")
	}
}

// Letting the program's pages go must leave it running.
func TestReleaseImage(t *testing.T) {
	if err := releaseImage(); err != nil {
		t.Skipf("not here: %v", err)
	}
	TestFactsMerge(t)
}

// A limit below what lives would have the collector run without end.
func TestCollectorsLimitIsAboveWhatLives(t *testing.T) {
	for _, live := range []int64{0, 1 << 20, memoryLimit, 200 << 20, 2 << 30} {
		if got := limitFor(live); got < memoryLimit || got < live+live/4 {
			t.Errorf("limitFor(%d) = %d", live, got)
		}
	}
	h := heapLimit{limit: 100}
	for limit, want := range map[int64]bool{100: false, 105: false, 95: false, 120: true, 80: true} {
		if h.off(limit) != want {
			t.Errorf("from 100 to %d: off is %v, want %v", limit, !want, want)
		}
	}
}
