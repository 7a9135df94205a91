package wal

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/raftlab/raftlab/raft"
)

// Every bit of every entry is where Locate says: with it flipped the log is
// refused, and the error names that file and a place that is not behind it.
func TestLocate(t *testing.T) {
	dir := t.TempDir()
	entries := make([]raft.Entry, 5)
	for i := range entries {
		entries[i] = raft.Entry{Index: raft.Index(i + 1), Term: raft.Term(1 + i/2), Data: []byte(strings.Repeat("x", 3*i))}
	}
	if err := Create(dir, raft.HardState{Term: 3, Vote: 2}, entries); err != nil {
		t.Fatal(err)
	}
	var before int64
	for i := raft.Index(1); i <= 5; i++ {
		at, err := Locate(dir, i)
		if err != nil {
			t.Fatal(err)
		}
		if n := at.To - at.From; n != int64(2+3*(i-1)) || at.From < before {
			t.Errorf("entry %d is at %+v, want its kind, a length and %d bytes", i, at, 3*(i-1))
		}
		before = at.To
		good, err := os.ReadFile(at.File)
		if err != nil {
			t.Fatal(err)
		}
		for off := at.From; off < at.To; off++ {
			bad := append([]byte(nil), good...)
			bad[off] ^= 1 << (off % 8)
			if err := os.WriteFile(at.File, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			var damage *DamageError
			if _, err := Scan(dir, 1, 9, func([]raft.Entry) error { return nil }); !errors.As(err, &damage) || damage.File != at.File || damage.Offset > off {
				t.Errorf("with byte %d of entry %d flipped the log is %v", off, i, err)
			}
		}
		if err := os.WriteFile(at.File, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	last, err := Locate(dir, 0)
	if fifth, _ := Locate(dir, 5); err != nil || last != fifth {
		t.Errorf("the last entry is at %+v, entry 5 at %+v; %v", last, fifth, err)
	}
	if _, err := Locate(dir, 6); err == nil || !strings.Contains(err.Error(), "ends at 5") {
		t.Errorf("entry 6: %v", err)
	}
	if _, err := Locate(t.TempDir(), 0); err == nil || !strings.Contains(err.Error(), "no entry") {
		t.Errorf("of no log: %v", err)
	}
}

func TestLocateInALogThatBeginsLater(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, _, err := Open(dir, Options{segmentSize: 4 << 10})
		if err != nil {
			t.Fatal(err)
		}
		for i := raft.Index(1); i <= 100; i++ {
			w.Append(uint64(i), nil, nil, []raft.Entry{{Index: i, Term: 1, Data: make([]byte, 200)}})
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // until the next segment is made
		}
		for _, at := range []raft.Index{80, 90} { // the log reaches back to the older one
			snap, err := w.TakeSnapshot(raft.SnapshotMeta{Index: at, Term: 1, Config: raft.Configuration{Voters: []raft.NodeID{1}}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := snap.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		w.DropThrough(90)
		synctest.Wait()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
	found, err := Scan(dir, 1, 1, nil)
	if err != nil || found.Base == 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	if _, err := Locate(dir, found.Base); !errors.Is(err, ErrDropped) {
		t.Errorf("entry %d: %v", found.Base, err)
	}
	for i := found.Base + 1; i <= 100; i++ {
		if at, err := Locate(dir, i); err != nil || at.To-at.From != 203 {
			t.Errorf("entry %d is at %+v, %v", i, at, err)
		}
	}
}
