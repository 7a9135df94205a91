package wal

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// A log larger than what Scan holds at a time comes in pages that leave no gap.
func TestScanGivesALogInPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	entries := make([]raft.Entry, 40)
	for i := range entries {
		entries[i] = raft.Entry{Index: raft.Index(i + 1), Term: 1, Kind: raft.EntryCommand, Data: make([]byte, scanBytes/8)}
		entries[i].Data[0] = byte(i)
	}
	if err := Create(dir, raft.HardState{Term: 1}, entries); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		lo, hi raft.Index
		want   int
	}{
		{"all of it", 1, 41, 40},
		{"a part", 5, 30, 25},
		{"beyond its end", 39, 1 << 40, 2},
		{"nothing", 41, 50, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []raft.Entry
			pages := 0
			restored, err := Scan(dir, tt.lo, tt.hi, func(page []raft.Entry) error {
				pages++
				got = append(got, page...)
				return nil
			})
			if err != nil || restored.LastIndex != 40 || len(got) != tt.want {
				t.Fatalf("Scan = %d entries, last %d, %v, want %d of 40", len(got), restored.LastIndex, err, tt.want)
			}
			for i, e := range got {
				if e.Index != tt.lo+raft.Index(i) || e.Data[0] != byte(e.Index-1) {
					t.Fatalf("entry %d is %d with data %d", i, e.Index, e.Data[0])
				}
			}
			if tt.want > 20 && pages < 3 {
				t.Errorf("%d entries of 1/8 page came in %d pages", tt.want, pages)
			}
		})
	}

	stop := errors.New("enough")
	if _, err := Scan(dir, 1, 41, func([]raft.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Scan = %v, want the error of f", err)
	}
}
