package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
)

// virtual runs a test in virtual time, with a client of a fake cluster of
// nodes a, b and c. That nothing is left running afterwards is synctest's to see.
func virtual(t *testing.T, test func(t *testing.T, f *fakeCluster, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster(t, "a", "b", "c")
		c := New(Options{Addrs: Fixed("a", "b", "c"), Session: 77, Dial: f.dial})
		test(t, f, c)
		c.Close()
		f.stop()
	})
}

// within ends after some virtual or real time.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func mustDo(t *testing.T, c *Client, r wire.Request) wire.Reply {
	t.Helper()
	reply, err := c.Do(within(t, time.Minute), r)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func wantSeen(t *testing.T, f *fakeCluster, addr string, want ...string) {
	t.Helper()
	if got := f.seen(addr); !reflect.DeepEqual(got, want) {
		t.Errorf("%s was asked\n  %s\nwant\n  %s", addr, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestAnswers(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		if r := mustDo(t, c, put("x", "1")); r.Code != wire.CodeOK || r.Index != 1 {
			t.Errorf("put: %+v", r)
		}
		if r := mustDo(t, c, get("x")); !r.Found || string(r.Value) != "1" {
			t.Errorf("get: %+v", r)
		}
		// That the state machine refuses is an answer, not an error.
		if r := mustDo(t, c, wire.Request{Op: wire.OpCAS, Key: []byte("x"), Old: []byte("2"), Value: []byte("3")}); r.Code != wire.CodeFailed || r.Error != `"x" is "1", not "2"` {
			t.Errorf("cas: %+v", r)
		}
		// Reads take no number of the session.
		wantSeen(t, f, "a", "put x seq 1 acked 0", "get x seq 1 acked 0", "cas x seq 2 acked 1")
	})
}

func TestRequestsWithoutSenseAreNotSent(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		_, err := c.Do(context.Background(), put("", "1"))
		var refused *RefusedError
		if !errors.As(err, &refused) || err.Error() != "put: the key is empty" {
			t.Errorf("an empty key: %v", err)
		}
		if f.nodes["a"].dials != 0 {
			t.Error("the client dialed for it")
		}
		reader := New(Options{Addrs: Fixed("a"), Dial: f.dial})
		defer reader.Close()
		if _, err := reader.Do(context.Background(), put("x", "1")); !errors.As(err, &refused) {
			t.Errorf("a write without a session: %v", err)
		}
		mustDo(t, reader, get("x"))
	})
}

func TestGoesWhereTheFollowerSaysTheLeaderIs(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", follow("c"))
		began := time.Now()
		mustDo(t, c, put("x", "1"))
		mustDo(t, c, put("x", "2"))
		wantSeen(t, f, "a", "put x seq 1 acked 0")
		wantSeen(t, f, "b")
		wantSeen(t, f, "c", "put x seq 1 acked 0", "put x seq 2 acked 1")
		if d := time.Since(began); d != 0 {
			t.Errorf("it waited %v on the way", d)
		}
	})
}

func TestGoesOnWhenTheFirstNodeIsDead(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.nodes["a"].down = true
		mustDo(t, c, put("x", "1"))
		wantSeen(t, f, "b", "put x seq 1 acked 0")
	})
}

// The connection breaks after the command was applied and before the answer:
// the retry has the same number and gets the first one's answer.
func TestALostConnectionIsRetriedUnderTheSameNumber(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		mustDo(t, c, incr("n"))
		f.set("a", func(r *wire.Request) verdict {
			f.lead(r)
			return verdict{hangUp: true}
		})
		if r := mustDo(t, c, incr("n")); string(r.Value) != "2" || r.Index != 2 {
			t.Errorf("the retry's answer: %+v, want value 2 of index 2", r)
		}
		wantSeen(t, f, "a", "incr n seq 1 acked 0", "incr n seq 2 acked 1")
		wantSeen(t, f, "b", "incr n seq 2 acked 1")
		if v := f.value("n"); v != "2" {
			t.Errorf("two counts give %s", v)
		}
	})
}

func TestANodeThatCannotSayIsAskedAgainElsewhere(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", func(r *wire.Request) verdict {
			f.lead(r)
			return verdict{reply: &wire.Reply{Code: wire.CodeUnknown}}
		})
		if r := mustDo(t, c, incr("n")); string(r.Value) != "1" {
			t.Errorf("answer %+v, want 1", r)
		}
		wantSeen(t, f, "b", "incr n seq 1 acked 0")
	})
}

func TestANodeThatTalksNonsenseIsLeft(t *testing.T) {
	for name, raw := range map[string][]byte{
		"another protocol":  []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"a frame too long":  {0xff, 0xff, 0xff, 0xff},
		"an empty frame":    {0, 0, 0, 0},
		"a request":         wire.AppendRequest(nil, &wire.Request{ID: 1}),
		"an unknown code":   wire.AppendReply(nil, &wire.Reply{ID: 1, Code: 99}),
		"its first command": wire.AppendReply(nil, &wire.Reply{ID: 1, Code: wire.CodeNoSession}),
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
				f.set("a", func(*wire.Request) verdict { return verdict{raw: raw} })
				mustDo(t, c, put("x", "1"))
				wantSeen(t, f, "b", "put x seq 1 acked 0")
			})
		})
	}
}

func TestAnswersNobodyAskedForAreIgnored(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", func(r *wire.Request) verdict {
			v := f.lead(r)
			v.raw = wire.AppendReply(nil, &wire.Reply{ID: 4711, Value: []byte("stray")})
			return v
		})
		if r := mustDo(t, c, incr("n")); string(r.Value) != "1" {
			t.Errorf("answer %+v, want 1", r)
		}
	})
}

func TestErrorsSayWhatIsKnown(t *testing.T) {
	tests := []struct {
		name    string
		request wire.Request
		setUp   func(f *fakeCluster)
		want    string
		unknown bool
	}{
		{"a write nobody answers", put("x", "1"), func(f *fakeCluster) {
			for addr := range f.nodes {
				f.set(addr, silent)
			}
		}, `put "x" may or may not have been applied: no answer for 1s`, true},
		{"a write nobody took", put("x", "1"), func(f *fakeCluster) {
			for _, n := range f.nodes {
				n.down = true
			}
		}, `put "x" was not done: no leader answered for 1s (connect to %s: connection refused)`, false},
		{"a write that every node refused", put("x", "1"), func(f *fakeCluster) {
			for addr := range f.nodes {
				f.set(addr, follow(""))
			}
		}, `put "x" was not done: no leader answered for 1s (%s does not lead and knows no leader)`, false},
		{"a read nobody answers", get("x"), func(f *fakeCluster) {
			for addr := range f.nodes {
				f.set(addr, silent)
			}
		}, `get "x" was not done: no leader answered for 1s`, false},
		{"a write that was sent before all refused it", put("x", "1"), func(f *fakeCluster) {
			f.set("a", once(func(*wire.Request) verdict { return verdict{hangUp: true} }, follow("")))
			f.set("b", follow(""))
			f.set("c", follow(""))
		}, `put "x" may or may not have been applied: no answer for 1s (%s does not lead and knows no leader)`, true},
		{"a busy leader", put("x", "1"), func(f *fakeCluster) {
			f.set("a", func(*wire.Request) verdict {
				return verdict{reply: &wire.Reply{Code: wire.CodeBusy, Error: "waiting requests: 9 of at most 9"}}
			})
		}, `put "x" was not done: no leader answered for 1s (a is busy: waiting requests: 9 of at most 9)`, false},
		{"a retry that is refused", put("x", "1"), func(f *fakeCluster) {
			f.set("a", func(*wire.Request) verdict { return verdict{hangUp: true} })
			f.set("b", func(*wire.Request) verdict {
				return verdict{reply: &wire.Reply{Code: wire.CodeBad, Error: "put: too large for this node"}}
			})
		}, `put "x" may or may not have been applied: no answer for 0s (b refuses the retry: put: too large for this node)`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
				tt.setUp(f)
				_, err := c.Do(within(t, time.Second), tt.request)
				var unknown *UnknownError
				var undone *UndoneError
				if errors.As(err, &unknown) != tt.unknown || errors.As(err, &undone) == tt.unknown {
					t.Fatalf("got %T %v", err, err)
				}
				matched := false
				for _, addr := range []string{"a", "b", "c"} {
					matched = matched || err.Error() == strings.ReplaceAll(tt.want, "%s", addr)
				}
				if !matched {
					t.Errorf("got  %s\nwant %s", err, tt.want)
				}
				if timedOut := strings.Contains(tt.want, "for 1s"); errors.Is(err, context.DeadlineExceeded) != timedOut {
					t.Errorf("%v: a deadline exceeded %v, want %v", err, !timedOut, timedOut)
				}
			})
		})
	}
}

func TestANodeThatRefusesSaysWhy(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", func(*wire.Request) verdict {
			return verdict{reply: &wire.Reply{Code: wire.CodeBad, Error: "put: not on a Sunday"}}
		})
		_, err := c.Do(within(t, time.Minute), put("x", "1"))
		var refused *RefusedError
		if !errors.As(err, &refused) || err.Error() != "put: not on a Sunday" {
			t.Errorf("got %v", err)
		}
		f.set("a", f.lead)
		mustDo(t, c, put("x", "1"))
	})
}

func TestABusyNodeIsAskedAgain(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		mustDo(t, c, put("x", "0"))
		refusals := 0
		f.set("a", func(r *wire.Request) verdict {
			if refusals++; refusals <= 10 {
				return verdict{reply: &wire.Reply{Code: wire.CodeBusy}}
			}
			return f.lead(r)
		})
		began := time.Now()
		mustDo(t, c, put("x", "1"))
		if d := time.Since(began); d < 70*time.Millisecond || d > 200*time.Millisecond {
			t.Errorf("after ten refusals it was done in %v, want waits from 2 to 25 ms", d)
		}
		if f.nodes["b"].dials != 0 {
			t.Error("it went to another node")
		}
	})
}

// A leader that was cut off from the others takes writes until it is full, says
// busy to the rest and reads what it has. None of this is getting on.
func TestABusyLeaderThatGetsNowhereIsLeft(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		mustDo(t, c, put("x", "0"))
		f.set("a", func(r *wire.Request) verdict {
			switch {
			case r.Read == wire.ReadStale:
				return verdict{reply: &wire.Reply{Code: wire.CodeOK}}
			case string(r.Key) == "taken":
				return verdict{}
			}
			return verdict{reply: &wire.Reply{Code: wire.CodeBusy}}
		})
		f.set("b", f.lead)
		var group sync.WaitGroup
		for _, key := range []string{"taken", "refused"} {
			group.Go(func() { mustDo(t, c, put(key, "1")) })
		}
		reading, stop := context.WithCancel(t.Context())
		reads := make(chan struct{})
		go func() {
			defer close(reads)
			for reading.Err() == nil {
				if _, err := c.Do(within(t, time.Minute), wire.Request{Op: wire.OpGet, Read: wire.ReadStale, Key: []byte("x")}); err != nil {
					t.Error(err)
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
		group.Wait()
		stop()
		<-reads
	})
}

// Without a leader all nodes are asked, one after the other, not too often,
// and with one request however many wait.
func TestWithoutALeaderItAsksAround(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		for addr := range f.nodes {
			f.set(addr, follow(""))
		}
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if _, err := c.Do(within(t, 10*time.Second), put("x", "1")); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		for _, addr := range []string{"a", "b", "c"} {
			if n := len(f.seen(addr)); n < 12 || n > 40 {
				t.Errorf("%s was asked %d times in a second without a leader", addr, n)
			}
		}
		f.set("b", f.lead)
		began := time.Now()
		group.Wait()
		if d := time.Since(began); d > 100*time.Millisecond {
			t.Errorf("it found the leader after %v", d)
		}
	})
}

func TestANodeThatTakesAndNeverAnswersIsLeft(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		mustDo(t, c, incr("n"))
		f.set("a", func(r *wire.Request) verdict { f.lead(r); return verdict{} })
		began := time.Now()
		if r := mustDo(t, c, incr("n")); string(r.Value) != "2" {
			t.Errorf("answer %+v, want 2", r)
		}
		if d := time.Since(began); d < defaultPatience || d > 2*defaultPatience {
			t.Errorf("it stayed for %v, want its patience of %v up to twice that", d, defaultPatience)
		}
		wantSeen(t, f, "b", "incr n seq 2 acked 1")
	})
}

func TestANodeIsTriedAgainAfterTheOthers(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.nodes["b"].down, f.nodes["c"].down = true, true
		f.set("a", once(func(*wire.Request) verdict { return verdict{hangUp: true} }, f.lead))
		mustDo(t, c, put("x", "1"))
		wantSeen(t, f, "a", "put x seq 1 acked 0", "put x seq 1 acked 0")
	})
}

// Whoever knows the leader puts it first. A search begins there, save at the
// node that was just lost.
func TestASearchBeginsWithTheFirstAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster(t, "a", "b", "c")
		var mu sync.Mutex
		order := []string{"b", "a", "c"}
		c := New(Options{Session: 77, Dial: f.dial, Addrs: func() []string {
			mu.Lock()
			defer mu.Unlock()
			return order
		}})
		mustDo(t, c, put("x", "1"))
		mu.Lock()
		order = []string{"c", "a", "b"}
		mu.Unlock()
		f.stopConns()
		synctest.Wait()
		mustDo(t, c, put("x", "2"))
		f.stopConns()
		synctest.Wait()
		mustDo(t, c, put("x", "3"))
		wantSeen(t, f, "b", "put x seq 1 acked 0")
		wantSeen(t, f, "c", "put x seq 2 acked 1")
		wantSeen(t, f, "a", "put x seq 3 acked 2")
		c.Close()
		f.stop()
	})
}

func TestAContextEndsItsOwnRequests(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		mustDo(t, c, put("x", "0"))
		f.set("a", silent)
		var mu sync.Mutex
		var ended []string
		start := func(ctx context.Context, key string) {
			if err := c.Start(ctx, put(key, "1"), func(_ wire.Reply, err error) {
				mu.Lock()
				defer mu.Unlock()
				ended = append(ended, fmt.Sprint(key, " ", errors.Is(err, context.DeadlineExceeded)))
			}); err != nil {
				t.Fatal(err)
			}
		}
		short, long := within(t, time.Second), within(t, 1500*time.Millisecond)
		start(short, "a")
		start(long, "b")
		start(short, "c")
		start(context.Background(), "d")
		start(long, "e")
		time.Sleep(1100 * time.Millisecond)
		check := func(want ...string) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(ended)
			if !reflect.DeepEqual(ended, want) {
				t.Errorf("ended: %q, want %q", ended, want)
			}
		}
		check("a true", "c true")
		time.Sleep(500 * time.Millisecond)
		check("a true", "b true", "c true", "e true")
		f.set("a", f.lead)
		f.stopConns()
		synctest.Wait()
		time.Sleep(time.Second)
		check("a true", "b true", "c true", "d false", "e true")
	})
}

// In slow motion an answer may take minutes. While the leader is known to lead,
// a second copy of the command would only fill the log.
func TestALeaderThatIsKnownToLeadIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster(t, "a", "b")
		f.set("a", silent)
		var mu sync.Mutex
		order := []string{"a", "b"}
		c := New(Options{Session: 77, Dial: f.dial, LeaderFirst: true, Addrs: func() []string {
			mu.Lock()
			defer mu.Unlock()
			return order
		}})
		answered := false
		if err := c.Start(context.Background(), incr("n"), func(r wire.Reply, err error) { answered = err == nil }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		wantSeen(t, f, "a", "incr n seq 1 acked 0")
		wantSeen(t, f, "b")
		mu.Lock()
		order = []string{"b", "a"}
		mu.Unlock()
		time.Sleep(3 * defaultPatience)
		wantSeen(t, f, "b", "incr n seq 1 acked 0")
		c.Close()
		f.stop()
		if !answered {
			t.Error("the new leader's answer did not arrive")
		}
	})
}

// A second command of a session must not come before the first in the log.
func TestASessionIsOpenedBeforeMoreIsSent(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", silent)
		for range 10 {
			if err := c.Start(context.Background(), incr("n"), func(wire.Reply, error) {}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		wantSeen(t, f, "a", "incr n seq 1 acked 0")
	})
}

// The first command was given up: nobody knows whether its session is open.
func TestAfterAnUnknownFirstCommandAnotherSessionBegins(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", silent)
		var unknown *UnknownError
		if _, err := c.Do(within(t, time.Second), incr("n")); !errors.As(err, &unknown) {
			t.Fatalf("got %v", err)
		}
		f.set("a", f.lead)
		mustDo(t, c, incr("n"))
		mustDo(t, c, incr("n"))
		requests := f.nodes["a"].requests
		if first, second, third := requests[0], requests[1], requests[2]; second.Session == first.Session || second.Session == 0 || third.Session != second.Session || second.Seq != 1 || third.Seq != 2 {
			t.Errorf("sessions %x, %x, %x with numbers %d, %d, %d", first.Session, second.Session, third.Session, first.Seq, second.Seq, third.Seq)
		}
	})
}

// The state machine forgot the session: what surely was not applied goes on in
// a new one, what may have been is said to be unknown.
func TestAForgottenSessionIsReplaced(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		mustDo(t, c, incr("n"))
		f.mu.Lock()
		f.store = kv.New()
		f.mu.Unlock()
		if r := mustDo(t, c, incr("n")); string(r.Value) != "1" {
			t.Errorf("after the cluster forgot everything, a count gives %+v", r)
		}
		f.mu.Lock()
		f.store = kv.New()
		f.mu.Unlock()
		f.set("a", func(r *wire.Request) verdict { return verdict{hangUp: true} })
		_, err := c.Do(within(t, time.Minute), incr("n"))
		var unknown *UnknownError
		if !errors.As(err, &unknown) || err.Error() != `incr "n" may or may not have been applied: no answer for 0s (b does not know the session any more)` {
			t.Errorf("got %v", err)
		}
		if r := mustDo(t, c, incr("n")); string(r.Value) != "1" {
			t.Errorf("the next count gives %+v", r)
		}
	})
}

// One request without an answer holds back those that would be too far ahead
// of it for the state machine, and its end lets them go.
func TestItStaysWithinWhatTheStateMachineKeeps(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		mustDo(t, c, put("x", "1"))
		f.set("a", func(r *wire.Request) verdict {
			if string(r.Key) == "stuck" {
				return verdict{}
			}
			return f.lead(r)
		})
		ctx, cancel := context.WithCancel(context.Background())
		ends := make(chan error, 1)
		if err := c.Start(ctx, put("stuck", "1"), func(_ wire.Reply, err error) { ends <- err }); err != nil {
			t.Fatal(err)
		}
		answered, wrong := 0, 0
		var mu sync.Mutex
		const more = kv.MaxAhead + 100
		for range more {
			err := c.Start(context.Background(), put("x", "1"), func(r wire.Reply, err error) {
				mu.Lock()
				defer mu.Unlock()
				answered++
				if err != nil || r.Code != wire.CodeOK {
					wrong++
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		mu.Lock()
		if answered != kv.MaxAhead-1 {
			t.Errorf("%d were answered while one was stuck, want %d", answered, kv.MaxAhead-1)
		}
		mu.Unlock()
		cancel()
		synctest.Wait()
		mu.Lock()
		if answered != more || wrong != 0 {
			t.Errorf("%d of %d were answered, %d wrongly", answered, more, wrong)
		}
		mu.Unlock()
		var unknown *UnknownError
		if err := <-ends; !errors.As(err, &unknown) || !errors.Is(err, context.Canceled) {
			t.Errorf("the stuck one: %v", err)
		}
	})
}

// What was answered out of order is acknowledged only up to the first gap.
func TestAcknowledgesWithoutGaps(t *testing.T) {
	s := newSession(1)
	for _, step := range []struct{ seq, acked uint64 }{{2, 0}, {3, 0}, {5, 0}, {1, 3}, {4, 5}, {6, 6}} {
		if s.end(step.seq); s.acked != step.acked {
			t.Errorf("after %d ended, acked = %d, want %d", step.seq, s.acked, step.acked)
		}
	}
	if len(s.ended) != 0 {
		t.Errorf("still remembers %v", s.ended)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster(t, "a")
		f.set("a", once(f.lead, silent))
		c := New(Options{Addrs: Fixed("a"), Session: 77, Dial: f.dial})
		mustDo(t, c, put("x", "1"))
		var mu sync.Mutex
		var got []string
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for _, r := range []wire.Request{put("x", "1"), get("x"), put("y", "1")} {
			if err := c.Start(ctx, r, func(_ wire.Reply, err error) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, fmt.Sprintf("%T %v", err, errors.Is(err, ErrClosed)))
			}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		c.Close()
		want := []string{"*client.UnknownError true", "*client.UndoneError true", "*client.UnknownError true"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the requests ended as %q, want %q", got, want)
		}
		if _, err := c.Do(context.Background(), put("x", "1")); err != ErrClosed {
			t.Errorf("afterwards: %v", err)
		}
		c.Close()
		f.stop()
	})
}

func TestAnEndedContextStartsNothing(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		var undone *UndoneError
		if _, err := c.Do(ctx, put("x", "1")); !errors.As(err, &undone) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if f.nodes["a"].dials != 0 {
			t.Error("the client dialed for it")
		}
	})
}

// A client at rest costs nothing: no timer, no connection kept alive by force.
func TestAClientAtRestSleeps(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		mustDo(t, c, put("x", "1"))
		began := time.Now()
		time.Sleep(10 * defaultPatience)
		synctest.Wait()
		f.mu.Lock()
		for nc := range f.ends {
			nc.Close() // the node ends
		}
		f.mu.Unlock()
		time.Sleep(time.Hour)
		if n := f.nodes["a"].dials + f.nodes["b"].dials; n != 1 {
			t.Errorf("%d connections in an hour of rest, want the first", n)
		}
		mustDo(t, c, put("x", "2"))
		if d := time.Since(began); d > 2*time.Hour {
			t.Errorf("took %v", d)
		}
	})
}

func TestNodesMayComeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster(t, "a")
		var mu sync.Mutex
		var addrs []string
		c := New(Options{Session: 77, Dial: f.dial, Addrs: func() []string {
			mu.Lock()
			defer mu.Unlock()
			return addrs
		}})
		_, err := c.Do(within(t, time.Second), put("x", "1"))
		if want := `put "x" was not done: no leader answered for 1s (no address of a node is known)`; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		mu.Lock()
		addrs = []string{"a"}
		mu.Unlock()
		mustDo(t, c, put("x", "1"))
		c.Close()
		f.stop()
	})
}

// Many requests of many goroutines on nodes that lose connections, cannot
// say, are busy, and take turns in leading, each as the seed has it: every
// count counts once, and each has its own answer.
func TestCountsOnceWhateverHappens(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
				chaos(f, rand.New(rand.NewPCG(seed, 0)))
				count(t, f, c, 40, 10)
			})
		})
	}
}

// chaos makes the nodes unreliable.
func chaos(f *fakeCluster, random *rand.Rand) {
	var addrs []string
	for addr := range f.nodes {
		addrs = append(addrs, addr)
	}
	leader := addrs[0]
	for _, addr := range addrs {
		f.set(addr, func(r *wire.Request) verdict {
			if random.IntN(50) == 0 {
				leader = addrs[random.IntN(len(addrs))]
			}
			if addr != leader {
				if random.IntN(2) == 0 {
					return follow("")(r)
				}
				return follow(leader)(r)
			}
			switch random.IntN(40) {
			case 0:
				return verdict{hangUp: true}
			case 1:
				f.lead(r)
				return verdict{hangUp: true}
			case 2:
				v := f.lead(r)
				v.hangUp = true
				return v
			case 3:
				return verdict{reply: &wire.Reply{Code: wire.CodeUnknown}}
			case 4:
				f.lead(r)
				return verdict{reply: &wire.Reply{Code: wire.CodeUnknown}}
			case 5:
				return verdict{reply: &wire.Reply{Code: wire.CodeBusy}}
			case 6:
				return verdict{raw: []byte("garbage, more than a header")}
			}
			return f.lead(r)
		})
	}
}

// count counts in many goroutines and checks that each answer came once.
func count(t *testing.T, f *fakeCluster, c *Client, goroutines, each int) {
	t.Helper()
	var group sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for range goroutines {
		group.Go(func() {
			for range each {
				r, err := c.Do(within(t, time.Hour), incr("n"))
				if err != nil || r.Code != wire.CodeOK {
					t.Errorf("%+v, %v", r, err)
					return
				}
				mu.Lock()
				answers[string(r.Value)]++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	n := goroutines * each
	if v := f.value("n"); v != fmt.Sprint(n) {
		t.Errorf("%d counts give %s", n, v)
	}
	for i := 1; i <= n; i++ {
		if got := answers[fmt.Sprint(i)]; got != 1 {
			t.Errorf("%d counts were told that they are number %d", got, i)
		}
	}
}

// The same over real TCP, where one read brings many frames.
func TestOverTCP(t *testing.T) {
	f := newFakeCluster(t)
	a, b := f.listen(nil), f.listen(nil)
	f.set(b.addr, f.lead)
	f.set(a.addr, follow(b.addr))
	before := runtime.NumGoroutine()
	// Nothing listens on port 1.
	c := New(Options{Addrs: Fixed("127.0.0.1:1", a.addr, b.addr), Session: 77})
	count(t, f, c, 32, 20)
	if n := len(f.seen(a.addr)); n != 1 {
		t.Errorf("the follower was asked %d times, want once", n)
	}
	chaos(f, rand.New(rand.NewPCG(1, 1)))
	f.mu.Lock()
	f.store = kv.New()
	f.mu.Unlock()
	d := New(Options{Addrs: Fixed(a.addr, b.addr), Session: 78, RetryMax: 2 * time.Millisecond})
	count(t, f, d, 16, 10)
	c.Close()
	d.Close()
	f.stopConns()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
	}
}

func TestLargeValues(t *testing.T) {
	f := newFakeCluster(t)
	a := f.listen(nil)
	f.set(a.addr, f.lead)
	c := New(Options{Addrs: Fixed(a.addr), Session: 77})
	defer c.Close()
	value := bytes.Repeat([]byte("v"), kv.MaxValue)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			key := fmt.Sprint(i)
			if _, err := c.Do(within(t, time.Minute), put(key, string(value))); err != nil {
				t.Error(err)
			}
			if r, err := c.Do(within(t, time.Minute), get(key)); err != nil || !bytes.Equal(r.Value, value) {
				t.Errorf("%d bytes, %v", len(r.Value), err)
			}
		})
	}
	group.Wait()
}
