package raft

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// plainLog is a log as one would write it without a thought for memory: all
// entries in one list. It is what raftLog is compared with.
type plainLog struct {
	entries []Entry
	durable Index
	stored  []Entry // the disk: what was offered and has become durable
}

func (p *plainLog) term(i Index) (Term, bool) {
	switch {
	case i == 0:
		return 0, true
	case i > Index(len(p.entries)):
		return 0, false
	}
	return p.entries[i-1].Term, true
}

// Entries implements Storage.
func (p *plainLog) Entries(lo, hi Index, maxBytes int) ([]Entry, error) {
	if hi > Index(len(p.stored))+1 {
		return nil, fmt.Errorf("entries up to %d asked back, %d are stored", hi-1, len(p.stored))
	}
	n, bytes := lo, 0
	for n < hi && (n == lo || bytes+len(p.stored[n-1].Data) <= maxBytes) {
		bytes += len(p.stored[n-1].Data)
		n++
	}
	return slices.Clone(p.stored[lo-1 : n-1]), nil
}

// TestLogOracle drives a raftLog and a plain one through the same random life
// and compares everything that can be asked.
func TestLogOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := &plainLog{}
		log := newLog(plain, Restored{}, rapid.SampledFrom([]int{1, 300, 1 << 20}).Draw(t, "window"))
		term := Term(1)
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				term += Term(rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "term"))
				e := Entry{Index: log.last + 1, Term: term, Kind: EntryCommand, Data: make([]byte, rapid.IntRange(0, 100).Draw(t, "size"))}
				log.append(e)
				plain.entries = append(plain.entries, e)
			},
			"truncate": func(t *rapid.T) {
				if log.last == log.commit {
					t.Skip("all is committed")
				}
				i := log.commit + 1 + Index(rapid.Uint64Range(0, uint64(log.last-log.commit-1)).Draw(t, "from"))
				log.truncate(i)
				plain.entries = slices.Clone(plain.entries[:i-1])
				plain.durable = min(plain.durable, i-1)
				term++
			},
			"offer and persist": func(t *rapid.T) {
				entries := log.unoffered()
				if len(entries) == 0 {
					t.Skip("nothing new")
				}
				plain.stored = append(slices.Clone(plain.stored[:entries[0].Index-1]), entries...)
				log.offered = log.last
				log.durable, plain.durable = log.last, log.last
				trimAndCheck(t, log)
			},
			"commit and apply": func(t *rapid.T) {
				log.commit += Index(rapid.Uint64Range(0, uint64(log.last-log.commit)).Draw(t, "more"))
				log.handed, log.applied = log.commit, log.commit
				trimAndCheck(t, log)
			},
			"": func(t *rapid.T) { compareLogs(t, log, plain) },
		})
	})
}

// trimAndCheck: as soon as entries are durable and applied, the window is bounded.
func trimAndCheck(t *rapid.T, log *raftLog) {
	log.trim()
	if may := min(log.durable, log.applied); log.windowBytes > log.windowMax && log.first <= may {
		t.Fatalf("the window starts at %d with %d bytes, %d are durable and applied", log.first, log.windowBytes, may)
	}
}

func compareLogs(t *rapid.T, log *raftLog, plain *plainLog) {
	if want := Index(len(plain.entries)); log.last != want || log.durable != plain.durable {
		t.Fatalf("last %d durable %d, want %d and %d", log.last, log.durable, want, plain.durable)
	}
	for i := Index(0); i <= log.last+1; i++ {
		got, ok := log.term(i)
		want, wantOK := plain.term(i)
		if got != want || ok != wantOK {
			t.Fatalf("term(%d) = %d, %v, want %d, %v", i, got, ok, want, wantOK)
		}
	}
	bytes := 0
	for k := range log.window {
		bytes += size(&log.window[k])
	}
	if bytes != log.windowBytes || Index(len(log.window)) != log.last-log.first+1 {
		t.Fatalf("the window has %d entries of %d bytes, counted are %d and %d", len(log.window), bytes, log.last-log.first+1, log.windowBytes)
	}
	if log.last == 0 {
		return
	}
	lo := Index(rapid.Uint64Range(1, uint64(log.last)).Draw(t, "lo"))
	hi := Index(rapid.Uint64Range(uint64(lo), uint64(log.last)).Draw(t, "hi"))
	maxBytes := rapid.IntRange(0, 1000).Draw(t, "maxBytes")
	got, gotBytes, _, err := log.read(lo, hi, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for k, e := range got {
		total += size(&got[k])
		if want := plain.entries[int(lo)-1+k]; e.Index != want.Index || e.Term != want.Term || len(e.Data) != len(want.Data) {
			t.Fatalf("read(%d, %d)[%d] = %v, want %v", lo, hi, k, e, want)
		}
	}
	if len(got) == 0 || got[len(got)-1].Index > hi || len(got) > 1 && total > maxBytes || total != gotBytes {
		t.Fatalf("read(%d, %d, %d) gives %d entries of %d bytes, counted %d", lo, hi, maxBytes, len(got), total, gotBytes)
	}

	// What repair and elections ask (§5.3, §5.4.1).
	i := Index(rapid.Uint64Range(1, uint64(log.last)).Draw(t, "i"))
	limit := Term(rapid.Uint64Range(0, 20).Draw(t, "term"))
	wantFirst, wantLast := i, i
	for wantFirst > 1 && plain.entries[wantFirst-2].Term == plain.entries[i-1].Term {
		wantFirst--
	}
	for wantLast > 0 && plain.entries[wantLast-1].Term > limit {
		wantLast--
	}
	if got := log.firstOfTerm(i); got != wantFirst {
		t.Fatalf("firstOfTerm(%d) = %d, want %d", i, got, wantFirst)
	}
	if got := log.lastUpTo(i, limit); got != wantLast {
		t.Fatalf("lastUpTo(%d, %d) = %d, want %d", i, limit, got, wantLast)
	}
	lastTerm := plain.entries[len(plain.entries)-1].Term
	if got, want := log.upToDate(i, limit), limit > lastTerm || limit == lastTerm && i >= Index(len(plain.entries)); got != want {
		t.Fatalf("upToDate(%d, %d) = %v, want %v", i, limit, got, want)
	}
}

// TestLogTruncationLeavesHandedOutAlone holds what Ready promises: entries on
// their way to the disk or to a peer do not change under them.
func TestLogTruncationLeavesHandedOutAlone(t *testing.T) {
	log := newLog(nil, Restored{}, 0)
	for i := Index(1); i <= 5; i++ {
		log.append(Entry{Index: i, Term: 1})
	}
	onItsWay := log.unoffered()
	log.truncate(3)
	for i := Index(3); i <= 5; i++ {
		log.append(Entry{Index: i, Term: 2})
	}
	for _, e := range onItsWay {
		if e.Term != 1 {
			t.Errorf("entry %d changed to term %d on its way", e.Index, e.Term)
		}
	}
}

// TestLogChecksWhatStorageGives: what comes back from the disk is not believed.
func TestLogChecksWhatStorageGives(t *testing.T) {
	tests := []struct {
		name string
		give []Entry
		err  error
	}{
		{"the disk's error", nil, errors.New("input/output error")},
		{"nothing", nil, nil},
		{"another entry", []Entry{{Index: 2, Term: 1}}, nil},
		{"another term", []Entry{{Index: 1, Term: 2}}, nil},
		{"more than was asked for", []Entry{{Index: 1, Term: 1}, {Index: 2, Term: 1}, {Index: 3, Term: 1}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := newLog(storageFunc(func(Index, Index, int) ([]Entry, error) { return tt.give, tt.err }),
				Restored{HardState: HardState{Term: 1}, Runs: []TermRun{{First: 1, Term: 1}}, LastIndex: 3}, 0)
			_, _, _, err := log.read(1, 2, 1000)
			var storage *StorageError
			if !errors.As(err, &storage) || storage.Lo != 1 || storage.Hi != 2 {
				t.Fatalf("read gives %v, want a StorageError about 1 to 2", err)
			}
			if tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("%v does not wrap %v", err, tt.err)
			}
		})
	}
}

type storageFunc func(lo, hi Index, maxBytes int) ([]Entry, error)

func (f storageFunc) Entries(lo, hi Index, maxBytes int) ([]Entry, error) { return f(lo, hi, maxBytes) }
