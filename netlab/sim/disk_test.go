package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// setDisks gives all servers the same disk.
func (c *cluster) setDisks(d wire.Disk) {
	for _, id := range c.ids {
		d.Seed = uint64(id)
		c.must(c.SetDisk(id, d))
	}
}

func TestKillLosesWhatWasNotSynced(t *testing.T) {
	c := newCluster(t, 1, 1, nil)
	l := c.awaitLeader()
	cl := c.client(1)
	c.mustPut(cl, "x", "1")
	c.must(c.SetDisk(l, wire.Disk{Fault: wire.DiskSlow, Delay: second}))
	var answered error
	cl.Do(put("x", "2"), 100*ms, func(_ wire.Reply, err error) { answered = err })
	c.Run(c.now + 200*ms)
	if answered == nil {
		t.Fatal("it is answered before it is on a disk")
	}
	if last := c.Core(l).LastIndex(); last != 3 {
		t.Fatalf("the log ends at %d, want a no-op and two writes", last)
	}
	c.Kill(l)
	c.must(c.SetDisk(l, wire.Disk{}))
	c.start(l)
	c.awaitLeader()
	c.mustGet(c.client(2), "x", "1")
}

func TestStopWritesWhatWaits(t *testing.T) {
	c := newCluster(t, 1, 1, nil)
	l := c.awaitLeader()
	cl := c.client(1)
	c.mustPut(cl, "x", "1")
	c.must(c.SetDisk(l, wire.Disk{Fault: wire.DiskSlow, Delay: second}))
	cl.Do(put("x", "2"), 100*ms, func(wire.Reply, error) {})
	c.Run(c.now + 200*ms)
	c.Stop(l)
	c.must(c.SetDisk(l, wire.Disk{}))
	c.start(l)
	c.awaitLeader()
	c.mustGet(c.client(2), "x", "2")
}

// A disk that lies lets a majority acknowledge what is on no disk.
func TestLyingDisksLoseWhatWasAcknowledged(t *testing.T) {
	for _, end := range []string{"kill", "stop", "heal"} {
		c := newCluster(t, 3, 2, nil)
		c.awaitLeader()
		cl := c.client(1)
		c.mustPut(cl, "x", "1")
		c.until("all have it", second, c.converged)
		c.setDisks(wire.Disk{Fault: wire.DiskLie})
		c.mustPut(cl, "x", "2")
		c.until("all have it", second, c.converged)
		switch end {
		case "heal":
			c.setDisks(wire.Disk{})
			fallthrough
		case "kill":
			for _, id := range c.ids {
				c.Kill(id)
			}
		case "stop":
			for _, id := range c.ids {
				c.Stop(id)
			}
		}
		c.setDisks(wire.Disk{})
		for _, id := range c.ids {
			c.start(id)
		}
		c.awaitLeader()
		want := "2"
		if end == "kill" {
			want = "1"
		}
		c.mustGet(c.client(2), "x", want)
	}
}

func TestFailedSyncEndsTheServer(t *testing.T) {
	for _, tt := range []struct {
		fault wire.DiskFault
		why   string
	}{{wire.DiskFail, "sync: input/output error"}, {wire.DiskFull, "no space left on device"}} {
		c := newCluster(t, 3, 3, nil)
		l := c.awaitLeader()
		cl := c.client(1)
		c.mustPut(cl, "x", "1")
		c.must(c.SetDisk(l, wire.Disk{Fault: tt.fault}))
		c.mustPut(cl, "x", "2")
		if c.Running(l) || !strings.Contains(c.trace.ended[l], tt.why) {
			t.Fatalf("%s: runs %v, ended: %q", tt.fault, c.Running(l), c.trace.ended[l])
		}
		c.must(c.SetDisk(l, wire.Disk{}))
		c.start(l)
		c.until("it has caught up", second, c.converged)
		c.mustGet(cl, "x", "2")
	}
}

func TestTornWriteIsCutOff(t *testing.T) {
	torn := 0
	for seed := uint64(1); seed <= 20; seed++ {
		c := newCluster(t, 3, seed, nil)
		l := c.awaitLeader()
		cl := c.client(1)
		c.mustPut(cl, "x", "1")
		c.must(c.SetDisk(l, wire.Disk{Fault: wire.DiskTorn, Seed: seed}))
		for i := range 5 {
			cl.Do(put("x", fmt.Sprint(i)), 5*second, func(wire.Reply, error) {})
		}
		c.Run(c.now + 50*ms)
		c.Kill(l)
		c.must(c.SetDisk(l, wire.Disk{}))
		if notes := c.start(l); len(notes) > 0 && strings.Contains(notes[0], "torn") {
			torn++
		}
		c.mustPut(cl, "x", "last")
		c.until("it has caught up", 5*second, c.converged)
		c.mustGet(cl, "x", "last")
	}
	if torn == 0 {
		t.Error("no write was torn")
	}
}

func TestFlippedBitStopsTheServer(t *testing.T) {
	c := newCluster(t, 3, 4, nil)
	c.awaitLeader()
	cl := c.client(1)
	c.mustPut(cl, "x", "1")
	c.until("all have it", second, c.converged)
	victim := c.ids[0]
	index, err := c.Flip(victim, 2)
	c.must(err)
	if index != 2 {
		t.Errorf("entry %d is damaged", index)
	}
	if _, err := c.Flip(victim, 0); err == nil {
		t.Error("a damaged log is damaged again")
	}
	c.Kill(victim)
	if _, err := c.Start(victim, c.cfg); err == nil || !strings.Contains(err.Error(), "entry 2 is damaged") {
		t.Fatalf("started: %v", err)
	}
	c.must(c.Wipe(victim))
	c.start(victim)
	c.until("it has caught up", second, c.converged)
	for _, bad := range []raft.Index{99} {
		if _, err := c.Flip(victim, bad); err == nil {
			t.Errorf("entry %d is damaged", bad)
		}
	}
}

// A slow disk delays what waits for it, and nothing else: the commit is the
// majority's.
func TestSlowDiskIsTheMajoritysProblemOnlyWithAMajority(t *testing.T) {
	c := newCluster(t, 3, 5, nil)
	l := c.awaitLeader()
	cl := c.client(1)
	c.mustPut(cl, "x", "1")
	slow := wire.Disk{Fault: wire.DiskSlow, Delay: 30 * ms}
	took := func() raft.Duration {
		begun := c.now
		c.mustPut(cl, "x", "2")
		return raft.Duration(c.now - begun)
	}
	var followers []raft.NodeID
	for _, id := range c.ids {
		if id != l {
			followers = append(followers, id)
		}
	}
	c.must(c.SetDisk(followers[0], slow))
	if d := took(); d > 5*ms {
		t.Errorf("with one slow follower a write takes %d ms", d/ms)
	}
	c.must(c.SetDisk(followers[1], slow))
	if d := took(); d < 30*ms {
		t.Errorf("with two slow followers of two a write takes %d ms", d/ms)
	}
}
