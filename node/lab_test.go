package node

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// The lab reads nothing for so long that the connection is full. The loop's
// side goes on without waiting; then every fact arrives once, in order.
func TestFullConnectionKeepsFactsForLater(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l, err := dialLab(t.Context(), &Options{ID: 1, LabAddr: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.conn.Close()
	l.conn.SetWriteBuffer(4 << 10)
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	tel := newTelemetry()
	told := 0
	tell := func() {
		var events []raft.Event
		for range 100 {
			told++
			events = append(events, raft.Event{Kind: raft.EventVoteCounted, At: raft.Time(told), Peer: 2})
		}
		tel.note(events)
		tel.show(&wire.State{At: raft.Time(told)})
		l.tellNow(tel)
	}
	for l.rest == nil {
		tell()
	}
	for range 50 { // nobody waits, everything is kept
		tell()
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.report(ctx, tel) }()

	r := wire.NewReader(conn, 4<<10)
	conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := r.Next(); err != nil { // the hello
		t.Fatal(err)
	}
	heard, number := 0, uint64(0)
	var last *wire.State
	for last == nil || last.At < raft.Time(told) {
		frame, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		var report wire.Report
		h, err := wire.DecodeControl(frame, &report)
		if err != nil {
			t.Fatal(err)
		}
		if number++; h.ID != number {
			t.Fatalf("report %d in place of %d", h.ID, number)
		}
		for _, f := range report.Facts {
			if heard++; f.At != raft.Time(heard) {
				t.Fatalf("fact %d in place of %d", f.At, heard)
			}
		}
		if report.State != nil {
			last = report.State
		}
	}
	if heard != told || last.Dropped == 0 {
		t.Errorf("%d facts of %d, the last state %+v, want all facts and some states dropped", heard, told, last)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("report ended with %v", err)
	}
}

// An answer that is too large says so instead of ending the conversation.
func TestOutcomeThatFitsNoFrame(t *testing.T) {
	pairs := []wire.Pair{{Key: "k", Value: string(make([]byte, wire.MaxFrame))}}
	buf, err := appendOutcome(nil, &outcome{id: 7, Outcome: wire.Outcome{Pairs: pairs}})
	if err != nil {
		t.Fatal(err)
	}
	var out wire.Outcome
	h, err := wire.DecodeControl(buf[4:], &out)
	if err != nil || h.ID != 7 || out.Error == "" || len(out.Pairs) != 0 {
		t.Errorf("outcome %d: %.80q, %v, want its error", h.ID, out.Error, err)
	}
}
