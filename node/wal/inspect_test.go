package wal

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// bytesIn is a digest of all files in dir, by name.
func bytesIn(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	out := map[string][32]byte{}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name()] = sha256.Sum256(data)
	}
	return out
}

// Inspect reads what there is, says what is wrong, and changes nothing.
func TestInspectChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	w, _, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	entries := []raft.Entry{{Index: 1, Term: 1, Data: []byte("a")}, {Index: 2, Term: 1, Data: []byte("b")}}
	for i, s := range []raft.HardState{{Term: 1}, {Term: 1, Vote: 2}, {Term: 3, Vote: 3}} {
		w.Append(uint64(i+1), nil, &s, nil)
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
	}
	w.Append(4, nil, nil, entries)
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(dir, 1, 100, func([]raft.Entry) error { return nil }); !errors.Is(err, ErrInUse) {
		t.Errorf("Inspect of a log that is open = %v, want ErrInUse", err)
	}
	off := w.off
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// A write that began and did not get to its end.
	f, err := os.OpenFile(segmentPath(dir, 1), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{7, 7, 7}, off); err != nil {
		t.Fatal(err)
	}
	f.Close()

	before := bytesIn(t, dir)
	var got []raft.Entry
	found, err := Inspect(dir, 1, 100, func(page []raft.Entry) error {
		got = append(got, page...)
		return nil
	})
	if err != nil || found.Empty || len(got) != 2 || found.LastIndex != 2 {
		t.Fatalf("%+v, %v, %d entries", found, err, len(got))
	}
	if len(found.Notes) != 1 || !strings.Contains(found.Notes[0], "torn tail of 3 bytes") {
		t.Errorf("notes %q, want one of a torn tail", found.Notes)
	}
	if want := []raft.HardState{{}, {Term: 1}, {Term: 1, Vote: 2}, {Term: 3, Vote: 3}}; !slices.Equal(found.States, want) {
		t.Errorf("states %v, want %v", found.States, want)
	}
	after := bytesIn(t, dir)
	for name, sum := range before {
		if after[name] != sum {
			t.Errorf("%s was changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files before, %d after", len(before), len(after))
	}
	if _, _, err := ReadSnapshot(dir); !errors.Is(err, raft.ErrNoSnapshot) {
		t.Errorf("ReadSnapshot = %v, want ErrNoSnapshot", err)
	}
}

func TestInspectOfNothing(t *testing.T) {
	dir := t.TempDir()
	found, err := Inspect(dir, 1, 100, func([]raft.Entry) error { return nil })
	if err != nil || !found.Empty {
		t.Errorf("%+v, %v", found, err)
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("it made %v", files)
	}
}

func TestReadSnapshotGivesTheNewest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	w, _, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var entries []raft.Entry
	for i := range 4 {
		entries = append(entries, raft.Entry{Index: raft.Index(i + 1), Term: 1, Data: []byte("x")})
	}
	w.Append(1, nil, &raft.HardState{Term: 1}, entries)
	for _, index := range []raft.Index{2, 4} {
		meta := raft.SnapshotMeta{Index: index, Term: 1, Config: raft.Configuration{Voters: []raft.NodeID{1}}}
		s, err := w.TakeSnapshot(meta)
		if err == nil {
			_, err = s.Write([]byte{byte('0' + index)})
		}
		if err == nil {
			_, err = s.Commit()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	meta, r, err := ReadSnapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil || r.Close() != nil || meta.Index != 4 || string(data) != "4" {
		t.Errorf("%+v, %q, %v", meta, data, err)
	}
}
