package client

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// crowd opens more sessions than the state machine remembers.
func (f *fakeCluster) crowd(t *testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	const sessions = 1<<14 + 1
	for i := range uint64(sessions) {
		f.index++
		c := incr("crowd")
		c.Session, c.Seq, c.Since = 1<<32+i, 1, f.index-1
		if r := f.store.Apply(f.index, 1, kv.AppendCommand(nil, &c)); r.Code != wire.CodeOK {
			t.Fatalf("session %d of the crowd: %+v", i, r)
		}
	}
}

// firsts are the Since of the first commands a node was asked, by session in order.
func (f *fakeCluster) firsts(addr string) (sessions []uint64, since []raft.Index) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.nodes[addr].requests {
		if r.Op != wire.OpGet && r.Seq == 1 {
			sessions, since = append(sessions, r.Session), append(since, r.Since)
		}
	}
	return sessions, since
}

// The state machine cannot tell a session that is as old as what it forgot from
// one it forgot. The client knows better, and knows the index when it comes again.
func TestARefusedFirstCommandGoesOnInAnotherSession(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.crowd(t)
		if r := mustDo(t, c, incr("n")); string(r.Value) != "1" {
			t.Errorf("the first count gives %+v", r)
		}
		if r := mustDo(t, c, incr("n")); string(r.Value) != "2" {
			t.Errorf("the second count gives %+v", r)
		}
		sessions, since := f.firsts("a")
		if want := []raft.Index{0, 1<<14 + 2}; !reflect.DeepEqual(since, want) || sessions[0] == sessions[1] {
			t.Errorf("sessions %x were opened since %d, want two since %d", sessions, since, want)
		}
		// Reads come first: then it knows enough at once.
		d := New(Options{Addrs: Fixed("b"), Session: 78, Dial: f.dial})
		defer d.Close()
		mustDo(t, d, get("n"))
		mustDo(t, d, incr("n"))
		if sessions, _ := f.firsts("b"); len(sessions) != 1 {
			t.Errorf("after a read, %d sessions were opened", len(sessions))
		}
	})
}

// The first command was applied and its answer lost; then its session was
// forgotten. The retry is refused, and nobody may say that nothing happened.
func TestARetriedFirstCommandOfAForgottenSessionIsUnknown(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", func(r *wire.Request) verdict {
			f.lead(r)
			return verdict{hangUp: true}
		})
		f.nodes["b"].down, f.nodes["c"].down = true, true
		result := make(chan error, 1)
		if err := c.Start(context.Background(), incr("n"), func(_ wire.Reply, err error) { result <- err }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.crowd(t)
		f.set("a", f.lead)
		var unknown *UnknownError
		if err := <-result; !errors.As(err, &unknown) {
			t.Errorf("got %v, want it unknown", err)
		}
		if v := f.value("n"); v != "1" {
			t.Errorf("one count gives %s", v)
		}
		if r := mustDo(t, c, incr("n")); string(r.Value) != "2" {
			t.Errorf("the next gives %+v", r)
		}
	})
}

// What a client has seen since it sent its first command may be newer than its
// session: a retry must not claim it.
func TestARetryKeepsItsSince(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", func(r *wire.Request) verdict {
			if r.Op == wire.OpGet {
				return f.serveReads(nil)(r)
			}
			f.lead(r)
			return verdict{} // the answer is lost
		})
		result := make(chan error, 1)
		if err := c.Start(context.Background(), incr("n"), func(_ wire.Reply, err error) { result <- err }); err != nil {
			t.Fatal(err)
		}
		if r := mustDo(t, c, read("n", wire.ReadStale)); r.Index != 1 {
			t.Fatalf("the read: %+v", r)
		}
		f.stopConns()
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		for _, addr := range []string{"a", "b"} {
			if _, since := f.firsts(addr); !reflect.DeepEqual(since, []raft.Index{0}) {
				t.Errorf("%s was asked for a session since %d, want 0", addr, since)
			}
		}
	})
}

// A refusal that does not say a newer index than the session was opened since is
// none of a state machine, and trying again would never end.
func TestANodeThatRefusesEveryFirstCommandIsLeft(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", func(*wire.Request) verdict { return verdict{reply: &wire.Reply{Code: wire.CodeNoSession}} })
		began := time.Now()
		mustDo(t, c, put("x", "1"))
		if d := time.Since(began); d != 0 {
			t.Errorf("it stayed for %v", d)
		}
		wantSeen(t, f, "a", "put x seq 1 acked 0")
	})
}

func TestSinceOfALaterSessionIsTheHighestIndexSeen(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		for range 3 {
			mustDo(t, c, incr("n"))
		}
		f.mu.Lock()
		f.store = kv.New()
		f.mu.Unlock()
		mustDo(t, c, incr("n")) // of no session that is known: another one begins
		if _, since := f.firsts("a"); !reflect.DeepEqual(since, []raft.Index{0, 4}) {
			t.Errorf("sessions were opened since %d, want 0 and 4", since)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, r := range f.nodes["a"].requests {
			if r.Seq != 1 && r.Since != 0 {
				t.Errorf("command %d says since %d", r.Seq, r.Since)
			}
		}
	})
}

func TestReadsGoWhereTheyMayBeAnswered(t *testing.T) {
	for _, tt := range []struct {
		read wire.Read
		at   string
	}{
		{wire.ReadStale, "a"}, {wire.ReadIndex, "a"},
		{wire.ReadLog, "c"}, {wire.ReadLease, "c"},
	} {
		t.Run(tt.read.String(), func(t *testing.T) {
			virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
				f.set("a", f.serveReads(follow("c")))
				if r := mustDo(t, c, read("x", tt.read)); r.Found {
					t.Errorf("read: %+v", r)
				}
				seen := f.seen(tt.at)
				if len(seen) != 1 {
					t.Errorf("%s was asked %q", tt.at, seen)
				}
			})
		})
	}
}

// That a follower answers reads does not make it the leader: of what is for a
// leader, it is asked one. Reads it is asked at once, and they do not wait.
func TestAFollowerAnswersReadsAndDoesNotLead(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", silent)
		for range 20 {
			if err := c.Start(context.Background(), read("x", wire.ReadIndex), func(wire.Reply, error) {}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := len(f.seen("a")); n != 20 {
			t.Errorf("%d reads are under way before the first answer, want 20", n)
		}
	})
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		f.set("a", f.serveReads(follow("c")))
		var group sync.WaitGroup
		start := func(r wire.Request, done func()) {
			group.Add(1)
			if err := c.Start(context.Background(), r, func(_ wire.Reply, err error) {
				if err != nil {
					t.Error(err)
				}
				done()
				group.Done()
			}); err != nil {
				t.Error(err)
			}
		}
		// All of them are there when the first may go.
		start(read("x", wire.ReadIndex), func() {
			for i := range 20 {
				start(get(fmt.Sprint(i)), func() {})
			}
		})
		group.Wait()
		if n := len(f.seen("a")); n != 2 {
			t.Errorf("the follower was asked %q, want one by index and one through the log", f.seen("a"))
		}
	})
}

// Without a leader writes ask around with pauses, also while reads are answered
// everywhere.
func TestReadsDoNotHurryTheSearchForALeader(t *testing.T) {
	virtual(t, func(t *testing.T, f *fakeCluster, c *Client) {
		writes := 0
		for addr := range f.nodes {
			f.set(addr, f.serveReads(func(r *wire.Request) verdict {
				writes++
				return follow("")(r)
			}))
		}
		ctx := within(t, time.Second)
		var group sync.WaitGroup
		group.Go(func() {
			var undone *UndoneError
			if _, err := c.Do(ctx, put("x", "1")); !errors.As(err, &undone) {
				t.Errorf("the write: %v", err)
			}
		})
		reads := 0
		group.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.Do(context.Background(), read("x", wire.ReadIndex)); err != nil {
					t.Error(err)
				}
				reads++
				time.Sleep(time.Millisecond)
			}
		})
		group.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		if writes > 120 || reads < 30 {
			t.Errorf("in a second without a leader the write was sent %d times, and %d reads were answered", writes, reads)
		}
	})
}
