package node

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// BenchmarkPuts is puts of 8-byte keys and 256-byte values to the leader of
// three nodes, with their logs on disk and TCP between them, but no network of
// a lab. The nodes are processes, as they are in a lab; their CPU a put is
// reported, the client's is not.
func BenchmarkPuts(b *testing.B) {
	for _, load := range []struct{ conns, outstanding int }{{1, 1}, {8, 8}, {8, 32}, {256, 1}} {
		b.Run(fmt.Sprintf("conns=%d/outstanding=%d", load.conns, load.outstanding), func(b *testing.B) {
			l := newFakeLab(b, 3)
			l.processes = true
			l.cfg.ElectionMin, l.cfg.ElectionMax = raft.Duration(time.Second), raft.Duration(2*time.Second) // a busy machine is no dead leader
			l.startAll()
			leader := l.leader()
			clients := make([]*testClient, load.conns)
			for i := range clients {
				clients[i] = l.dial(leader)
			}
			before := l.usage()
			b.ResetTimer()
			var wg sync.WaitGroup
			for i, c := range clients {
				n := b.N / load.conns
				if i == 0 {
					n += b.N % load.conns
				}
				wg.Go(func() {
					c.pump(wire.Request{Op: wire.OpPut, Session: uint64(i + 1), Value: make([]byte, 256)}, n, load.outstanding)
				})
			}
			wg.Wait()
			b.StopTimer()
			after := l.usage()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
			b.ReportMetric(float64(after.cpu-before.cpu)/float64(b.N)/float64(time.Microsecond), "node-us/put")
			b.ReportMetric(float64(after.rss)/3/(1<<20), "MiB/node")
		})
	}
}

// BenchmarkIdle is a cluster of five with nothing to do but heartbeats: what a
// node costs in CPU and memory.
func BenchmarkIdle(b *testing.B) {
	l := newFakeLab(b, 5)
	l.processes = true
	l.cfg.Heartbeat, l.cfg.ElectionMin, l.cfg.ElectionMax = raft.Duration(50*time.Millisecond), raft.Duration(150*time.Millisecond), raft.Duration(300*time.Millisecond)
	l.startAll()
	l.leader()
	before := l.usage()
	b.ResetTimer()
	for range b.N {
		<-time.After(time.Second)
	}
	after := l.usage()
	b.ReportMetric(100*float64(after.cpu-before.cpu)/float64(b.Elapsed())/5, "%CPU/node")
	b.ReportMetric(float64(after.rss)/5/(1<<20), "MiB/node")
}

// usage is what the nodes' processes have used together, as far as the system
// tells.
type usage struct {
	cpu time.Duration
	rss int64
}

func (l *fakeLab) usage() usage {
	var u usage
	for _, n := range l.nodes {
		one := processUsage(n.cmd.Process.Pid)
		u.cpu += one.cpu
		u.rss += one.rss
	}
	return u
}

// BenchmarkReads is gets of one value that need no entry, and for comparison
// those that do, at the leader of three nodes and at a follower.
func BenchmarkReads(b *testing.B) {
	for _, read := range []wire.Read{wire.ReadLog, wire.ReadIndex, wire.ReadLease, wire.ReadStale} {
		for _, at := range []string{"leader", "follower"} {
			if at == "follower" && (read == wire.ReadLog || read == wire.ReadLease) {
				continue
			}
			b.Run(fmt.Sprintf("%s/%s", readNames[read], at), func(b *testing.B) {
				l := newFakeLab(b, 3)
				l.processes = true
				l.cfg.ElectionMin, l.cfg.ElectionMax = raft.Duration(time.Second), raft.Duration(2*time.Second)
				l.startAll()
				l.dial(l.leader()).put("x", "1")
				n := l.leader()
				if at == "follower" {
					n = l.follower()
				}
				const conns, outstanding = 8, 32
				clients := make([]*testClient, conns)
				for i := range clients {
					clients[i] = l.dial(n)
				}
				before := l.usage()
				b.ResetTimer()
				var wg sync.WaitGroup
				for _, c := range clients {
					wg.Go(func() { c.pump(wire.Request{Op: wire.OpGet, Read: read}, b.N/conns+1, outstanding) })
				}
				wg.Wait()
				b.StopTimer()
				after := l.usage()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "gets/s")
				b.ReportMetric(float64(after.cpu-before.cpu)/float64(b.N)/float64(time.Microsecond), "node-us/get")
			})
		}
	}
}

// pump does n requests like req, with so many outstanding.
func (c *testClient) pump(req wire.Request, n, outstanding int) {
	var buf []byte
	sent, done := 0, 0
	for done < n {
		buf = buf[:0]
		for sent < n && sent-done < outstanding {
			sent++
			req.ID, req.Seq, req.Acked = uint64(sent), uint64(sent), uint64(done)
			req.Key = fmt.Appendf(req.Key[:0], "%02d%06d", req.Session%100, sent%1000)
			buf = wire.AppendRequest(buf, &req)
		}
		if len(buf) > 0 {
			if _, err := c.conn.Write(buf); err != nil {
				c.t.Error(err)
				return
			}
		}
		for {
			frame, err := c.r.Next()
			if err != nil {
				c.t.Error(err)
				return
			}
			var reply wire.Reply
			if err := wire.DecodeReply(frame, &reply); err != nil || reply.Code != wire.CodeOK {
				c.t.Errorf("%+v, %v", reply, err)
				return
			}
			done++
			if !c.r.Buffered() {
				break
			}
		}
	}
}
