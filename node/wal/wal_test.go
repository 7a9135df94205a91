package wal

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// read is what [Scan] says of the whole log in dir.
func read(dir string) (raft.Restored, []raft.Entry, error) {
	var log []raft.Entry
	r, err := Scan(dir, 1, math.MaxInt64, func(page []raft.Entry) error {
		log = append(log, page...)
		return nil
	})
	return r, log, err
}

// ents makes entries from index first on, one for each term.
func ents(first raft.Index, terms ...raft.Term) []raft.Entry {
	out := make([]raft.Entry, len(terms))
	for i, t := range terms {
		index := first + raft.Index(i)
		out[i] = raft.Entry{Index: index, Term: t, Kind: raft.EntryCommand, Data: fmt.Appendf(nil, "%d of term %d", index, t)}
	}
	return out
}

// configs makes entries that are configurations.
func configs(first raft.Index, terms ...raft.Term) []raft.Entry {
	out := ents(first, terms...)
	for i := range out {
		out[i].Kind, out[i].Data = raft.EntryConfig, configOf(out[i].Index).AppendTo(nil)
	}
	return out
}

func hs(term raft.Term, vote raft.NodeID) *raft.HardState {
	return &raft.HardState{Term: term, Vote: vote}
}

// testLog is an open log that can be waited for.
type testLog struct {
	*WAL
	t     testing.TB
	found Recovered
	sync  uint64

	mu      sync.Mutex
	cond    *sync.Cond
	durable uint64
	errs    []error
}

func openLog(t testing.TB, dir string, opts Options) *testLog {
	t.Helper()
	l, err := tryOpen(t, dir, opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return l
}

func tryOpen(t testing.TB, dir string, opts Options) (*testLog, error) {
	l := &testLog{t: t}
	l.cond = sync.NewCond(&l.mu)
	opts.OnDurable = func(sync uint64, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.errs = append(l.errs, err)
		} else {
			l.durable = sync
		}
		l.cond.Broadcast()
	}
	var err error
	if l.WAL, l.found, err = Open(dir, opts); err != nil {
		return nil, err
	}
	t.Cleanup(func() { l.WAL.Close() })
	return l, nil
}

// put appends and returns the number to wait for.
func (l *testLog) put(state *raft.HardState, entries []raft.Entry) uint64 {
	l.sync++
	l.Append(l.sync, nil, state, entries)
	return l.sync
}

// wait returns when sync is durable or the log has failed.
func (l *testLog) wait(sync uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.durable < sync && len(l.errs) == 0 {
		l.cond.Wait()
	}
	return errors.Join(l.errs...)
}

func (l *testLog) close() {
	l.t.Helper()
	if err := l.Close(); err != nil {
		l.t.Fatalf("Close: %v", err)
	}
}

func (l *testLog) want(entries []raft.Entry) {
	l.t.Helper()
	got, err := l.Entries(1, raft.Index(len(entries)+1), math.MaxInt)
	if err != nil {
		l.t.Fatalf("Entries: %v", err)
	}
	if !equal(got, entries) {
		l.t.Fatalf("Entries =\n%v, want\n%v", got, entries)
	}
}

func TestLogComesBackAsItWasWritten(t *testing.T) {
	type step struct {
		state   *raft.HardState
		entries []raft.Entry
	}
	tests := []struct {
		name  string
		steps []step
		want  raft.Restored
		log   []raft.Entry
	}{
		{name: "a new log is empty"},
		{name: "hard state without entries",
			steps: []step{{hs(3, 2), nil}},
			want:  raft.Restored{HardState: raft.HardState{Term: 3, Vote: 2}}},
		{name: "the last hard state counts",
			steps: []step{{hs(1, 1), nil}, {hs(2, 0), nil}, {nil, ents(1, 2)}},
			want:  raft.Restored{HardState: raft.HardState{Term: 2}, Runs: []raft.TermRun{{First: 1, Term: 2}}, LastIndex: 1},
			log:   ents(1, 2)},
		{name: "terms come back as runs",
			steps: []step{{hs(4, 1), ents(1, 1, 1, 1, 4)}, {nil, ents(5, 4, 5)}},
			want: raft.Restored{HardState: raft.HardState{Term: 4, Vote: 1},
				Runs: []raft.TermRun{{First: 1, Term: 1}, {First: 4, Term: 4}, {First: 6, Term: 5}}, LastIndex: 6},
			log: ents(1, 1, 1, 1, 4, 4, 5)},
		{name: "an entry that overwrites drops what is behind it",
			steps: []step{{hs(2, 0), ents(1, 1, 1, 2, 2, 2)}, {hs(3, 0), ents(3, 3)}},
			want:  raft.Restored{HardState: raft.HardState{Term: 3}, Runs: []raft.TermRun{{First: 1, Term: 1}, {First: 3, Term: 3}}, LastIndex: 3},
			log:   ents(1, 1, 1, 3)},
		{name: "the whole log can be overwritten",
			steps: []step{{nil, ents(1, 1, 1)}, {nil, ents(1, 2)}, {nil, ents(2, 2)}},
			want:  raft.Restored{Runs: []raft.TermRun{{First: 1, Term: 2}}, LastIndex: 2},
			log:   ents(1, 2, 2)},
		{name: "terms may go down, as some unsafe rules have it",
			steps: []step{{hs(5, 1), ents(1, 5, 3, 3)}, {nil, ents(4, 1, 4)}, {nil, ents(5, 2)}},
			want: raft.Restored{HardState: raft.HardState{Term: 5, Vote: 1},
				Runs: []raft.TermRun{{First: 1, Term: 5}, {First: 2, Term: 3}, {First: 4, Term: 1}, {First: 5, Term: 2}}, LastIndex: 5},
			log: append(ents(1, 5, 3, 3, 1), ents(5, 2)...)},
		{name: "configurations come back as entries, without those that were dropped",
			steps: []step{{nil, configs(1, 1, 1)}, {nil, ents(3, 1)}, {nil, configs(4, 1)}, {nil, append(ents(4, 2), configs(5, 2)...)}},
			want: raft.Restored{Runs: []raft.TermRun{{First: 1, Term: 1}, {First: 4, Term: 2}}, LastIndex: 5,
				Configs: append(configs(1, 1, 1), configs(5, 2)...)},
			log: slices.Concat(configs(1, 1, 1), ents(3, 1), ents(4, 2), configs(5, 2))},
		{name: "an entry without data",
			steps: []step{{nil, []raft.Entry{{Index: 1, Term: 1, Kind: raft.EntryNoop}}}},
			want:  raft.Restored{Runs: []raft.TermRun{{First: 1, Term: 1}}, LastIndex: 1},
			log:   []raft.Entry{{Index: 1, Term: 1, Kind: raft.EntryNoop}}},
		{name: "an append of nothing is durable like any other",
			steps: []step{{nil, nil}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			l := openLog(t, dir, Options{})
			for _, s := range tt.steps {
				l.put(s.state, s.entries)
			}
			l.want(tt.log)
			if err := l.wait(l.sync); err != nil {
				t.Fatal(err)
			}
			l.want(tt.log)
			got, log, err := read(dir)
			if err != nil || !reflect.DeepEqual(got, tt.want) || !equal(log, tt.log) {
				t.Errorf("Read beside the open log = %+v, %v, %v, want %+v, %v", got, log, err, tt.want, tt.log)
			}
			l.close()
			for range 2 {
				l = openLog(t, dir, Options{})
				if !reflect.DeepEqual(l.found, Recovered{Restored: tt.want}) {
					t.Errorf("recovered %+v, want %+v", l.found, tt.want)
				}
				l.want(tt.log)
				l.close()
			}
		})
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, Options{})
	_, _, err := Open(dir, Options{})
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("second Open: %v, want ErrInUse", err)
	}
	if want := "log " + dir + " is in use by another process"; err.Error() != want {
		t.Errorf("second Open says %q, want %q", err, want)
	}
	l.close()
	openLog(t, dir, Options{})
}

func TestOtherFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := Create(dir, raft.HardState{}, ents(1, 1)); err != nil {
		t.Fatal(err)
	}
	path := segmentPath(dir, 1)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[8] = 1
	sealVersion(b)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err = Open(dir, Options{})
	var other *VersionError
	if !errors.As(err, &other) || !strings.HasSuffix(err.Error(), "00000001.wal is of format 1, this program reads format 2") {
		t.Errorf("Open: %v, want a VersionError", err)
	}
}
