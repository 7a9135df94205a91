package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// keptLab is the home of a lab of three that does not run, with logs of these
// terms.
func keptLab(t *testing.T, logs ...string) (home string, d dir) {
	t.Helper()
	home = t.TempDir()
	d = dir(filepath.Join(home, DefaultName))
	config, err := Profile(ProfileLAN)
	if err != nil {
		t.Fatal(err)
	}
	config.Nodes = len(logs)
	for i, terms := range logs {
		var entries []raft.Entry
		var state raft.HardState
		for k, c := range terms {
			cmd := kv.Command{Op: wire.OpPut, Key: fmt.Appendf(nil, "k%d", k+1), Value: []byte{byte(c)}}
			e := raft.Entry{Index: raft.Index(k + 1), Term: raft.Term(c - '0'), Kind: raft.EntryCommand, Data: kv.AppendCommand(nil, &cmd)}
			entries = append(entries, e)
			state.Term = max(state.Term, e.Term)
		}
		if err := os.MkdirAll(d.nodeData(i+1), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := wal.Create(d.nodeData(i+1), state, entries); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.writeMeta(&meta{Name: DefaultName, Config: config, Runs: 1, Stopped: true, Kept: true}); err != nil {
		t.Fatal(err)
	}
	return home, d
}

func TestDisksOfAStoppedLab(t *testing.T) {
	for _, tt := range []struct {
		name string
		logs []string
		want string // the property that is broken, "" for none
	}{
		{"as Figure 7 has them", []string{"1114455666", "111445566", "1114"}, ""},
		{"with a tail of its own", []string{"1112", "1113", "111"}, ""},
		{"that differ before what they share", []string{"1124", "1134", "11"}, "LogMatching"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home, _ := keptLab(t, tt.logs...)
			r, err := CheckStored(t.Context(), home, DefaultName)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Stopped || len(r.Stored.Nodes) != 3 || r.Stored.Compared == 0 || r.OK != (tt.want == "") {
				t.Errorf("%+v, %+v", r, r.Stored)
			}
			if tt.want != "" && r.Violations[0].Property != tt.want {
				t.Errorf("%+v, want %s", r.Violations, tt.want)
			}
			if len(r.Unknown) != 1 || !strings.Contains(r.Unknown[0].Reason, "no client's operation was written down") {
				t.Errorf("unknown: %+v", r.Unknown)
			}
		})
	}
}

// Whatever is wrong with a directory is one sentence with the file, and never
// passes for a disk that is all right.
func TestDirectoriesThatCannotBeRead(t *testing.T) {
	segment := func(d dir) string { return filepath.Join(d.nodeData(2), "00000001.wal") }
	edit := func(f func([]byte) []byte) func(*testing.T, dir) {
		return func(t *testing.T, d dir) {
			b, err := os.ReadFile(segment(d))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(segment(d), f(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	version := func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[8:], 77)
		binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[:12], crc32.MakeTable(crc32.Castagnoli)))
		return b
	}
	tests := []struct {
		name  string
		spoil func(*testing.T, dir)
		code  int
		says  []string
	}{
		{"no log", func(t *testing.T, d dir) {
			if err := os.RemoveAll(d.nodeData(2)); err != nil {
				t.Fatal(err)
			}
		}, ExitFailed, []string{"S2 has stored nothing"}},
		{"an empty segment", edit(func([]byte) []byte { return nil }), ExitFailed, []string{"S2", "00000001.wal at offset 0", "0 bytes"}},
		{"another file", edit(func(b []byte) []byte { return append([]byte("nonsense"), b[8:]...) }), ExitFailed, []string{"S2", "offset 0", "does not start as a log segment does"}},
		{"another version", edit(version), ExitFailed, []string{"S2", "format 77", "reads format"}},
		{"a flipped bit", edit(func(b []byte) []byte { b[64+40] ^= 4; return b }), ExitFailed, []string{"S2", "log is damaged", "offset"}},
		{"a missing segment", func(t *testing.T, d dir) {
			if err := os.Rename(segment(d), filepath.Join(d.nodeData(2), "00000003.wal")); err != nil {
				t.Fatal(err)
			}
		}, ExitFailed, []string{"S2", "offset"}},
		{"one that is in use", func(t *testing.T, d dir) {
			w, _, err := wal.Open(d.nodeData(2), wal.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { w.Close() })
		}, ExitConflict, []string{"S2", "in use by another process"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home, d := keptLab(t, "1112", "1112", "11")
			tt.spoil(t, d)
			r, err := CheckStored(t.Context(), home, DefaultName)
			var e *Error
			if !errors.As(err, &e) || e.Code != tt.code || e.Hint == "" || r == nil || r.OK {
				t.Fatalf("error %+v, report %+v, want code %d with a hint", err, r, tt.code)
			}
			for _, s := range tt.says {
				if !strings.Contains(e.Message, s) {
					t.Errorf("it says %q and not %q", e.Message, s)
				}
			}
			if r.Stored.Nodes[1].Problem == "" || r.Stored.Compared != 2 {
				t.Errorf("%+v", r.Stored)
			}
			if _, _, err := ReadDisk(t.Context(), d.nodeData(2), 0, 0); err == nil {
				t.Error("log --disk reads it")
			}
			if l, _, err := ReadDisk(t.Context(), d.node(1), 2, 3); err != nil || l.Node != 1 || len(l.Entries) != 2 || l.Entries[0].Command != "put k2=1" || l.LastIndex != 4 {
				t.Errorf("log --disk of S1: %+v, %v", l, err)
			}
		})
	}
	t.Run("broken beside one that cannot be read", func(t *testing.T) {
		home, d := keptLab(t, "1124", "1", "1134")
		if err := os.RemoveAll(d.nodeData(2)); err != nil {
			t.Fatal(err)
		}
		r, err := CheckStored(t.Context(), home, DefaultName)
		if err != nil || r.OK || len(r.Violations) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
