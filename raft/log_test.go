package raft

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// plainLog is a log as one would write it without a thought for memory: all
// entries in one list, which begins behind its base. It is what raftLog is
// compared with.
type plainLog struct {
	base     Index
	baseTerm Term
	entries  []Entry
	snapshot SnapshotMeta // the newest; of entry 0, the bootstrap configuration's

	commit  Index
	durable Index
	disk    map[Index]Entry // what was offered and has become durable
}

func (p *plainLog) last() Index { return p.base + Index(len(p.entries)) }

func (p *plainLog) entry(i Index) Entry { return p.entries[i-p.base-1] }

func (p *plainLog) term(i Index) (Term, bool) {
	switch {
	case i == p.base:
		return p.baseTerm, true
	case i < p.base || i > p.last():
		return 0, false
	}
	return p.entry(i).Term, true
}

// config is the newest configuration up to entry i, which is not below the snapshot.
func (p *plainLog) config(i Index) Configuration {
	for k := i; k > p.snapshot.Index; k-- {
		if e := p.entry(k); e.Kind == EntryConfig {
			return decode(e)
		}
	}
	return p.snapshot.Config
}

func decode(e Entry) Configuration {
	c, err := DecodeConfiguration(e.Data)
	if err != nil {
		panic(err)
	}
	return c
}

// Entries implements Storage.
func (p *plainLog) Entries(lo, hi Index, maxBytes int) (entries []Entry, err error) {
	if lo <= p.base || lo >= hi || hi > p.last()+1 {
		return nil, fmt.Errorf("entries %d to %d asked back, the log is %d to %d", lo, hi-1, p.base+1, p.last())
	}
	bytes := 0
	for i := lo; i < hi; i++ {
		e, ok := p.disk[i]
		if !ok {
			return nil, fmt.Errorf("entry %d asked back, it was never persisted", i)
		}
		if bytes += len(e.Data); len(entries) > 0 && bytes > maxBytes {
			break
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// SnapshotChunk implements Storage.
func (p *plainLog) SnapshotChunk(Index, int64, int) ([]byte, bool, error) {
	return nil, false, ErrNoSnapshot
}

// TestLogOracle drives a raftLog and a plain one through the same random life
// and compares everything that can be asked.
func TestLogOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bootstrap := Configuration{Voters: []NodeID{1, 2, 3}}
		plain := &plainLog{snapshot: SnapshotMeta{Config: bootstrap}, disk: map[Index]Entry{}}
		log := newLog(plain, Restored{}, bootstrap, rapid.SampledFrom([]int{1, 300, 1 << 20}).Draw(t, "window"))
		term := Term(1)
		between := func(t *rapid.T, lo, hi Index, what string) Index {
			return Index(rapid.Uint64Range(uint64(lo), uint64(hi)).Draw(t, what))
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				term += Term(rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "term"))
				e := Entry{Index: log.last + 1, Term: term, Kind: EntryCommand, Data: make([]byte, rapid.IntRange(0, 100).Draw(t, "size"))}
				if rapid.IntRange(0, 4).Draw(t, "config") == 0 {
					e.Kind, e.Data = EntryConfig, drawConfiguration(t).AppendTo(nil)
				}
				log.append(e)
				plain.entries = append(plain.entries, e)
			},
			"truncate": func(t *rapid.T) {
				if log.last == log.commit {
					t.Skip("all is committed")
				}
				i := between(t, log.commit+1, log.last, "from")
				log.truncate(i)
				plain.entries = slices.Clone(plain.entries[:i-1-plain.base])
				plain.durable = min(plain.durable, i-1)
				term++
			},
			"offer and persist": func(t *rapid.T) {
				if log.durable == log.last {
					t.Skip("nothing new")
				}
				for _, e := range log.unoffered() {
					plain.disk[e.Index] = e
				}
				log.offered = log.last
				log.durable, plain.durable = log.last, log.last
				trimAndCheck(t, log)
			},
			"commit and apply": func(t *rapid.T) {
				log.commit = between(t, log.commit, log.last, "commit")
				log.handed, log.applied, plain.commit = log.commit, log.commit, log.commit
				trimAndCheck(t, log)
			},
			"take a snapshot": func(t *rapid.T) {
				if log.applied <= log.snapshot.Index {
					t.Skip("there is one")
				}
				i := between(t, log.snapshot.Index+1, log.applied, "of")
				ofTerm, _ := plain.term(i)
				meta := SnapshotMeta{Index: i, Term: ofTerm, Config: plain.config(i)}
				log.took(meta)
				plain.snapshot = meta
			},
			"compact": func(t *rapid.T) {
				most := min(log.snapshot.Index, log.durable)
				if most <= log.base {
					t.Skip("nothing may go")
				}
				i := between(t, log.base, most, "through")
				log.compact(i)
				if i > plain.base {
					goes := i - plain.base
					plain.base, plain.baseTerm, plain.entries = i, plain.entry(i).Term, slices.Clone(plain.entries[goes:])
				}
			},
			"install a snapshot of the log": func(t *rapid.T) {
				if log.last == log.commit {
					t.Skip("all is committed")
				}
				i := between(t, log.commit+1, log.last, "of")
				ofTerm, _ := plain.term(i)
				meta := SnapshotMeta{Index: i, Term: ofTerm, Config: plain.config(i)}
				log.install(meta, true)
				log.applied = i
				plain.snapshot, plain.commit = meta, i
			},
			"install a snapshot of another log": func(t *rapid.T) {
				term++
				meta := SnapshotMeta{Index: between(t, log.commit+1, log.last+3, "of"), Term: term, Config: drawConfiguration(t)}
				log.install(meta, false)
				log.applied = meta.Index
				*plain = plainLog{
					base: meta.Index, baseTerm: meta.Term, snapshot: meta, disk: plain.disk,
					commit: meta.Index, durable: min(plain.durable, plain.commit),
				}
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
	if log.base != plain.base || log.last != plain.last() || log.commit != plain.commit || log.durable != plain.durable {
		t.Fatalf("the log is %d to %d, commit %d, durable %d; want %d to %d, %d and %d",
			log.base+1, log.last, log.commit, log.durable, plain.base+1, plain.last(), plain.commit, plain.durable)
	}
	for i := Index(0); i <= log.last+1; i++ {
		got, ok := log.term(i)
		want, wantOK := plain.term(i)
		if got != want || ok != wantOK {
			t.Fatalf("term(%d) = %d, %v, want %d, %v", i, got, ok, want, wantOK)
		}
	}
	for i := log.snapshot.Index; i <= log.last; i++ {
		if got, want := *log.configUpTo(i).config, plain.config(i); !got.Equal(want) {
			t.Fatalf("configUpTo(%d) = %v, want %v", i, got, want)
		}
	}
	if got, want := *log.config().config, plain.config(log.last); !got.Equal(want) {
		t.Fatalf("config() = %v, want %v", got, want)
	}
	bytes := 0
	for k := range log.window {
		bytes += size(&log.window[k])
	}
	if bytes != log.windowBytes || Index(len(log.window)) != log.last-log.first+1 {
		t.Fatalf("the window has %d entries of %d bytes, counted are %d and %d", len(log.window), bytes, log.last-log.first+1, log.windowBytes)
	}
	compareUpToDate(t, log, plain)
	if log.last > log.base {
		compareReads(t, log, plain)
		compareRepair(t, log, plain)
	}
}

// compareUpToDate asks what elections ask (§5.4.1).
func compareUpToDate(t *rapid.T, log *raftLog, plain *plainLog) {
	i := Index(rapid.Uint64Range(0, uint64(log.last)+2).Draw(t, "theirs"))
	term := Term(rapid.Uint64Range(0, 20).Draw(t, "their term"))
	last, _ := plain.term(plain.last())
	if got, want := log.upToDate(i, term), term > last || term == last && i >= plain.last(); got != want {
		t.Fatalf("upToDate(%d, %d) = %v, want %v", i, term, got, want)
	}
}

// compareReads asks what replication asks.
func compareReads(t *rapid.T, log *raftLog, plain *plainLog) {
	lo := Index(rapid.Uint64Range(uint64(log.base)+1, uint64(log.last)).Draw(t, "lo"))
	hi := Index(rapid.Uint64Range(uint64(lo), uint64(log.last)).Draw(t, "hi"))
	maxBytes := rapid.IntRange(0, 1000).Draw(t, "maxBytes")
	got, gotBytes, _, err := log.read(lo, hi, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for k, e := range got {
		total += size(&got[k])
		want := plain.entry(lo + Index(k))
		if e.Index != want.Index || e.Term != want.Term || e.Kind != want.Kind || len(e.Data) != len(want.Data) {
			t.Fatalf("read(%d, %d)[%d] = %v, want %v", lo, hi, k, e, want)
		}
	}
	if len(got) == 0 || got[len(got)-1].Index > hi || len(got) > 1 && total > maxBytes || total != gotBytes {
		t.Fatalf("read(%d, %d, %d) gives %d entries of %d bytes, counted %d", lo, hi, maxBytes, len(got), total, gotBytes)
	}
}

// compareRepair asks what the search for the point of agreement asks (§5.3).
func compareRepair(t *rapid.T, log *raftLog, plain *plainLog) {
	i := Index(rapid.Uint64Range(uint64(log.base)+1, uint64(log.last)).Draw(t, "i"))
	limit := Term(rapid.Uint64Range(0, 20).Draw(t, "term"))
	wantFirst, wantLast := i, i
	for wantFirst > plain.base+1 && plain.entry(wantFirst-1).Term == plain.entry(i).Term {
		wantFirst--
	}
	for wantLast > plain.base && plain.entry(wantLast).Term > limit {
		wantLast--
	}
	if got := log.firstOfTerm(i); got != wantFirst {
		t.Fatalf("firstOfTerm(%d) = %d, want %d", i, got, wantFirst)
	}
	if got := log.lastUpTo(i, limit); got != wantLast {
		t.Fatalf("lastUpTo(%d, %d) = %d, want %d", i, limit, got, wantLast)
	}
}

// TestLogRestoredOracle: a log that is restored says the same as one that was
// never away.
func TestLogRestoredOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bootstrap := Configuration{Voters: []NodeID{7}}
		plain := &plainLog{snapshot: SnapshotMeta{Config: bootstrap}, disk: map[Index]Entry{}}
		if plain.base = Index(rapid.Uint64Range(0, 9).Draw(t, "base")); plain.base > 0 {
			plain.baseTerm = 1
		}
		from := Restored{Base: plain.base, BaseTerm: plain.baseTerm}
		term := Term(1)
		for range rapid.IntRange(0, 12).Draw(t, "entries") {
			term += Term(rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "term"))
			e := Entry{Index: plain.last() + 1, Term: term, Kind: EntryCommand}
			if rapid.IntRange(0, 3).Draw(t, "config") == 0 {
				e.Kind, e.Data = EntryConfig, drawConfiguration(t).AppendTo(nil)
				from.Configs = append(from.Configs, e)
			}
			if n := len(from.Runs); n == 0 || from.Runs[n-1].Term != term {
				from.Runs = append(from.Runs, TermRun{First: e.Index, Term: term})
			}
			plain.entries = append(plain.entries, e)
			plain.disk[e.Index] = e
		}
		from.LastIndex, from.HardState.Term = plain.last(), term
		plain.durable = plain.last()
		if i := Index(rapid.Uint64Range(uint64(plain.base), uint64(plain.last())).Draw(t, "snapshot")); i > 0 {
			ofTerm, _ := plain.term(i)
			plain.snapshot = SnapshotMeta{Index: i, Term: ofTerm, Config: drawConfiguration(t)}
			plain.commit, from.Snapshot = i, plain.snapshot
		}
		if err := from.validate(false); err != nil {
			t.Fatal(err)
		}
		compareLogs(t, newLog(plain, from, bootstrap, 1<<20), plain)
	})
}

// TestLogTruncationLeavesHandedOutAlone holds what Ready promises: entries on
// their way to the disk or to a peer do not change under them.
func TestLogTruncationLeavesHandedOutAlone(t *testing.T) {
	log := newLog(nil, Restored{}, Configuration{}, 0)
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
				Restored{HardState: HardState{Term: 1}, Runs: []TermRun{{First: 1, Term: 1}}, LastIndex: 3}, Configuration{}, 0)
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

func (f storageFunc) SnapshotChunk(Index, int64, int) ([]byte, bool, error) {
	return nil, false, ErrNoSnapshot
}
