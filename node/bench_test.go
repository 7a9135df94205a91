package node

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
)

// BenchmarkPuts is puts of 8-byte keys and 256-byte values to the leader of
// three nodes in this process, with their logs on disk and TCP between them,
// but no proxy. ns/op is wall time a put; the CPU of clients and lab is in it.
func BenchmarkPuts(b *testing.B) {
	for _, load := range []struct{ conns, outstanding int }{{1, 1}, {8, 8}, {8, 32}, {256, 1}} {
		b.Run(fmt.Sprintf("conns=%d/outstanding=%d", load.conns, load.outstanding), func(b *testing.B) {
			l := startLab(b, 3)
			leader := l.leader()
			clients := make([]*testClient, load.conns)
			for i := range clients {
				clients[i] = l.dial(leader)
			}
			cpu := processCPU()
			b.ResetTimer()
			var wg sync.WaitGroup
			for i, c := range clients {
				n := b.N / load.conns
				if i == 0 {
					n += b.N % load.conns
				}
				wg.Go(func() { c.pump(uint64(i+1), n, load.outstanding) })
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
			b.ReportMetric(float64(processCPU()-cpu)/float64(b.N)/float64(time.Microsecond), "cpu-us/put")
		})
	}
}

// pump does n puts, with so many outstanding.
func (c *testClient) pump(session uint64, n, outstanding int) {
	value := make([]byte, 256)
	req := wire.Request{Op: wire.OpPut, Session: session, Value: value}
	var buf []byte
	sent, done := 0, 0
	for done < n {
		buf = buf[:0]
		for sent < n && sent-done < outstanding {
			sent++
			req.ID, req.Seq, req.Acked = uint64(sent), uint64(sent), uint64(done)
			req.Key = fmt.Appendf(req.Key[:0], "%02d%06d", session%100, sent%1000)
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
