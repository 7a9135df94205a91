package node

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func TestInboxMakesBringersWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInbox()
		m := []raft.Message{{From: 1}}
		b.putMessages(m, make([]uint64, len(m)), inboxLimit+1)
		b.putRequests(make([]request, 1), inboxLimit+1)
		var gotIn int
		go func() { b.putMessages(m, make([]uint64, len(m)), 1); gotIn++ }()
		synctest.Wait()
		var in batch
		b.take(&in, true)
		synctest.Wait()
		if gotIn != 0 || len(in.messages) != 0 {
			t.Fatalf("held: %d messages came out, %d more went in, want none", len(in.messages), gotIn)
		}
		b.take(&in, false)
		synctest.Wait()
		if gotIn != 1 || len(in.messages) != 1 || len(in.requests) != 1 {
			t.Fatalf("running: %d messages came out, %d more went in, want 1 and 1", len(in.messages), gotIn)
		}
		in.clear()
		b.take(&in, false)
		if len(in.messages) != 1 || len(in.requests) != 0 {
			t.Errorf("then %d messages and %d requests, want 1 and 0", len(in.messages), len(in.requests))
		}
	})
}

func TestInboxLetsGoWhoWaitsWhenItCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInbox()
		b.putRequests(nil, inboxLimit+1)
		ended := false
		go func() { ended = !b.putRequests(nil, 1) }()
		synctest.Wait()
		b.close()
		synctest.Wait()
		if !ended {
			t.Error("a bringer still waits, or was told that the inbox is open")
		}
	})
}

// Orders, the address book, a failed disk and word of damaged frames go past a hold.
func TestInboxWhileHeld(t *testing.T) {
	b := newInbox()
	b.putOrder(order{id: 1})
	b.putPeers([]wire.Peer{{ID: 2}})
	b.putDurable(5)
	b.putDurable(3)
	b.putDamaged(2)
	b.putDamaged(3)
	b.putDamaged(2)
	var in batch
	b.take(&in, true)
	if want := []damaged{{2, 2}, {3, 1}}; !slices.Equal(in.damaged, want) {
		t.Errorf("damaged frames %v, want %v", in.damaged, want)
	}
	if len(in.orders) != 1 || len(in.peers) != 1 || in.durable != 0 {
		t.Errorf("held: %+v, want an order and a peer", in)
	}
	in.clear()
	b.putFailure(errors.New("no space left"))
	b.take(&in, true)
	if len(in.orders) != 0 || in.peers != nil || in.damaged != nil || in.failed == nil {
		t.Errorf("held again: %+v, want the disk's error alone", in)
	}
	in.clear()
	b.take(&in, false)
	if in.durable != 5 {
		t.Errorf("running: durable %d, want 5", in.durable)
	}
}

func TestPendingQueueIsFirstInFirstOut(t *testing.T) {
	var q pendingQueue
	conn := new(client)
	var pushed, popped raft.Index
	for round := range 200 {
		for range round%7 + 1 {
			pushed++
			q.push(pending{index: pushed, conn: conn, bytes: 3})
		}
		for range round % 5 {
			if q.len() == 0 {
				break
			}
			popped++
			if got := q.front().index; got != popped {
				t.Fatalf("front is %d, want %d", got, popped)
			}
			q.pop()
		}
		if q.len() != int(pushed-popped) || q.bytes != 3*q.len() || conn.pending != q.len() {
			t.Fatalf("%d wait with %d bytes, want %d", q.len(), q.bytes, pushed-popped)
		}
	}
}
