package netlab

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/raft"
)

func TestConditionsNow(t *testing.T) {
	l := fakeLab(t, 3)
	l.lead(2, 5)
	for _, c := range []struct {
		cond  string
		holds bool
		seen  string
	}{
		{"leader", true, ""},
		{"leader == 2", true, ""},
		{"leader == 1", false, "leader 2"},
		{"S1.term >= 5 && S3.leader == 2", true, ""},
		{`S1.terms == "5"`, true, ""},
		{`S1.terms == "55"`, false, "S1.terms 5"},
		{`count(nodes, .role == "leader") == 2`, false, "role S1 follower, S2 leader, S3 follower"},
		{"held", true, ""},
	} {
		r, err := l.wait(t.Context(), &Wait{Cond: c.cond})
		if err != nil {
			t.Errorf("%s: %s", c.cond, told(err))
			continue
		}
		if r.Holds != c.holds || !strings.Contains(r.Seen, c.seen) {
			t.Errorf("%s = %+v, want %v, seen %q", c.cond, r, c.holds, c.seen)
		}
	}
}

func TestConditionsThatCannotBeJudged(t *testing.T) {
	l := fakeLab(t, 3)
	for _, c := range []struct {
		name    string
		wait    Wait
		code    int
		message string
	}{
		{"a typo", Wait{Cond: "laeder"}, ExitUsage, "laeder"},
		{"nothing", Wait{}, ExitUsage, "it is empty"},
		{"a node that is not there", Wait{Cond: "S9.term == 1"}, ExitUsage, "S9 is not in this lab"},
		{"within and for", Wait{Cond: "leader", Within: 1, For: 1}, ExitUsage, "not both"},
		{"a time back", Wait{Cond: "leader", Within: -1}, ExitUsage, "neither is negative"},
		{"within, on a held clock", Wait{Cond: "leader == 1", Within: time.Second}, ExitConflict, "the lab clock is held: no lab time passes"},
		{"for, on a held clock", Wait{Cond: "leader == 0", For: time.Second}, ExitConflict, "the lab clock is held: no lab time passes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := l.wait(t.Context(), &c.wait)
			checkMessage(t, err, c.code, c.message)
		})
	}
}

func TestWaiting(t *testing.T) {
	type outcome struct {
		r   *WaitResult
		err error
	}
	start := func(l *lab, w Wait) chan outcome {
		done := make(chan outcome, 1)
		go func() {
			r, err := l.wait(context.Background(), &w)
			done <- outcome{r, err}
		}()
		return done
	}
	take := func(t *testing.T, done chan outcome) *WaitResult {
		t.Helper()
		select {
		case o := <-done:
			if o.err != nil {
				t.Fatal(told(o.err))
			}
			return o.r
		case <-time.After(10 * time.Second):
			t.Fatal("the wait does not end")
			return nil
		}
	}
	release := func(t *testing.T) *lab {
		l := fakeLab(t, 3)
		l.must(t, Op{Verb: "release"})
		return l
	}
	t.Run("what comes true ends it", func(t *testing.T) {
		l := release(t)
		done := start(l, Wait{Cond: "leader == 2", Within: time.Hour})
		l.lead(2, 1)
		if r := take(t, done); !r.Holds {
			t.Errorf("%+v", r)
		}
	})
	t.Run("lab time runs out", func(t *testing.T) {
		l := release(t)
		l.must(t, Op{Verb: "speed", Rate: 1000})
		if r := take(t, start(l, Wait{Cond: "leader == 2", Within: time.Minute})); r.Holds || r.Seen != "leader 0" || r.LabNS < int64(time.Minute) {
			t.Errorf("%+v, want leader 0 after a minute", r)
		}
	})
	t.Run("what stays true holds for its time", func(t *testing.T) {
		l := release(t)
		l.must(t, Op{Verb: "speed", Rate: 1000})
		if r := take(t, start(l, Wait{Cond: "leader == 0", For: time.Minute})); !r.Holds || r.LabNS < int64(time.Minute) {
			t.Errorf("%+v, want it to hold for a minute", r)
		}
	})
	t.Run("what does not stay true fails at once", func(t *testing.T) {
		l := release(t)
		done := start(l, Wait{Cond: "leader == 0", For: time.Hour})
		l.lead(1, 1)
		if r := take(t, done); r.Holds || r.Seen != "leader 1" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("real time runs out also on a held clock", func(t *testing.T) {
		if r := take(t, start(fakeLab(t, 3), Wait{Cond: "leader == 1", Timeout: time.Millisecond})); r.Holds || r.Seen != "leader 0" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("a lab that is stopped ends it", func(t *testing.T) {
		l := release(t)
		done := start(l, Wait{Cond: "leader == 1", Timeout: time.Hour})
		l.stop(errDown{})
		if o := <-done; o.err != errStopping {
			t.Errorf("%+v, %v", o.r, o.err)
		}
	})
}

func TestTermsText(t *testing.T) {
	for _, c := range []struct {
		log  []TermRun
		want string
	}{
		{nil, ""},
		{[]TermRun{{Term: 1, First: 1, Count: 3}, {Term: 4, First: 4, Count: 1}}, "1114"},
		{[]TermRun{{Term: 9, First: 1, Count: 2}, {Term: 10, First: 3, Count: 1}}, "9.9.10"},
	} {
		if got := termsText(c.log); got != c.want {
			t.Errorf("termsText(%v) = %q, want %q", c.log, got, c.want)
		}
	}
	long := termsText([]TermRun{{Term: 1, First: 1, Count: 50_000}, {Term: 2, First: 50_001, Count: 1}})
	if len(long) != termsMax || !strings.HasSuffix(long, "12") {
		t.Errorf("a log of 50001 entries is spelled with %d, ending in %q", len(long), long[len(long)-2:])
	}
}

func TestRuns(t *testing.T) {
	got := runs([]raft.TermRun{{First: 1, Term: 1}, {First: 4, Term: 3}}, 5)
	if len(got) != 2 || got[0] != (TermRun{Term: 1, First: 1, Count: 3}) || got[1] != (TermRun{Term: 3, First: 4, Count: 2}) {
		t.Errorf("runs = %v", got)
	}
}
