package deed

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// every is a deed of each kind.
func every() []Deed {
	config := &raft.Configuration{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4}}
	return []Deed{
		{Kind: Started, At: 50, Term: 7, First: 10, LogTerm: 3, Index: 12, IndexTerm: 4, Nodes: []raft.NodeID{2}, Config: config},
		{Kind: Started, At: 40, Nodes: []raft.NodeID{0}, Config: &raft.Configuration{}},
		{Kind: Became, At: 60, Term: 8, Role: raft.Leader},
		{Kind: Elected, At: 60, Term: 8, Nodes: []raft.NodeID{1, 2, 300}},
		{Kind: Stored, At: 61, Term: 8, First: 13, Digests: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{Kind: Configured, At: 61, Term: 8, Index: 14, Config: config},
		{Kind: Truncated, At: 62, Term: 9, First: 13, Index: 14},
		{Kind: Committed, At: 1 << 50, Term: 9, First: 11, Index: 12, LogTerm: 4},
		{Kind: Installed, At: 70, Term: 9, Index: 99, LogTerm: 5, Keep: true, Config: config},
		{Kind: Installed, At: 70, Term: 9, Index: 99, LogTerm: 5},
		{Kind: SnapshotTaken, At: 71, Term: 9, Index: 99, LogTerm: 5},
		{Kind: Compacted, At: 72, Term: 9, Index: 90, LogTerm: 5},
		{Kind: Applied, At: 73, First: 1, LogTerm: 1, Digests: []byte{1, 2, 3, 4}},
		{
			Kind: Applied, At: 74, First: 2, LogTerm: 9, Digests: make([]byte, 7*DigestBytes),
			Effects:  []byte{0, 2, 1, 0, 2, 0, 0},
			Commands: append(bytes.Repeat([]byte{9}, CommandBytes), bytes.Repeat([]byte{8}, CommandBytes)...),
		},
		{Kind: Ended, At: 75},
	}
}

func TestDeedsComeBackAsTheyWere(t *testing.T) {
	var b []byte
	var at raft.Time
	want := every()
	for i := range want {
		b = Append(b, &want[i], at)
		at = want[i].At
	}
	r := NewReader(b)
	for i := range want {
		var got Deed
		if !r.More() {
			t.Fatalf("%d deeds, want %d", i, len(want))
		}
		if err := r.Next(&got); err != nil {
			t.Fatalf("deed %d: %v", i, err)
		}
		if !reflect.DeepEqual(got, want[i]) {
			t.Errorf("deed %d is %+v, want %+v", i, got, want[i])
		}
	}
	if r.More() {
		t.Error("something is left")
	}
}

// What can be read reads the same when it is written again, and nothing panics.
func FuzzReader(f *testing.F) {
	var all []byte
	for _, d := range every() {
		f.Add(Append(nil, &d, 0))
		all = Append(all, &d, 0)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(b)
		var again []byte
		var before raft.Time
		var n int
		for r.More() {
			var d Deed
			if r.Next(&d) != nil {
				return
			}
			again = Append(again, &d, before)
			before = d.At
			n++
		}
		r = NewReader(again)
		for range n {
			var d Deed
			if err := r.Next(&d); err != nil {
				t.Fatalf("written again it does not read: %v", err)
			}
		}
	})
}

// share: an entry belongs to the event that brought it, unless it was deleted again.
func TestReadyIsToldInOrder(t *testing.T) {
	entry := func(i raft.Index, term raft.Term) raft.Entry {
		return raft.Entry{Index: i, Term: term, Kind: raft.EntryCommand, Data: []byte{byte(i), byte(term)}}
	}
	rd := raft.Ready{
		Events: []raft.Event{
			{Kind: raft.EventAppended, Term: 4, First: 5, Index: 7}, // as leader; 6 and 7 go again
			{Kind: raft.EventRole, Term: 5, Role: raft.Follower},
			{Kind: raft.EventTruncated, Term: 5, First: 6, Index: 7},
			{Kind: raft.EventAppended, Term: 5, First: 6, Index: 6},
			{Kind: raft.EventCommitted, Term: 5, First: 1, Index: 6, LogTerm: 5},
			{Kind: raft.EventAppended, Term: 5, First: 7, Index: 8},
		},
		Entries: []raft.Entry{entry(5, 4), entry(6, 5), entry(7, 5), entry(8, 5)},
	}
	var w Witness
	w.Ready(&rd)
	type step struct {
		kind  Kind
		first raft.Index
		n     int
	}
	var got []step
	for _, d := range w.Deeds() {
		got = append(got, step{d.Kind, d.First, len(d.Digests) / DigestBytes})
	}
	want := []step{{Stored, 5, 1}, {Became, 0, 0}, {Truncated, 6, 0}, {Stored, 6, 1}, {Committed, 1, 0}, {Stored, 7, 2}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("told is %v, want %v", got, want)
	}
}

func TestConsecutiveEntriesAreAppliedAsOneDeed(t *testing.T) {
	var w Witness
	for i := range raft.Index(5) {
		e := raft.Entry{Index: i + 1, Term: 1 + raft.Term(i/3), Kind: raft.EntryCommand, Data: []byte{byte(i)}}
		w.Apply(0, &e, Effect{Is: TookEffect, Session: 1, Seq: uint64(i) + 1})
	}
	if n := len(w.Deeds()); n != 2 {
		t.Fatalf("%d deeds, want one for each term", n)
	}
	d := w.Deeds()[0]
	if d.First != 1 || len(d.Digests) != 3*DigestBytes || len(d.Effects) != 3 || len(d.Commands) != 3*CommandBytes {
		t.Errorf("the first is %+v", d)
	}
}

// Every bit counts, and so do the kind and the length.
func TestDigestsDiffer(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 31, 32, 33, 64, 280} {
		data := make([]byte, n)
		seen := map[uint32]string{}
		add := func(what string, d uint32) {
			if other, ok := seen[d]; ok {
				t.Errorf("%d bytes: %s has the digest of %s", n, what, other)
			}
			seen[d] = what
		}
		for kind := raft.EntryNoop; kind <= raft.EntryConfig; kind++ {
			add(kind.String(), Digest(kind, data))
		}
		add("one byte more", Digest(raft.EntryCommand, append(data[:n:n], 0)))
		for bit := range 8 * n {
			data[bit/8] ^= 1 << (bit % 8)
			add(fmt.Sprint("bit ", bit), Digest(raft.EntryCommand, data))
			data[bit/8] ^= 1 << (bit % 8)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	data := make([]byte, 280)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Digest(raft.EntryCommand, data)
	}
}

// load is what a busy server tells of a hundred entries.
func load() Deed {
	return Deed{
		Kind: Applied, First: 1, LogTerm: 1, Digests: make([]byte, 100*DigestBytes),
		Effects: bytes.Repeat([]byte{byte(TookEffect)}, 100), Commands: make([]byte, 100*CommandBytes),
	}
}

func BenchmarkAppend(b *testing.B) {
	d := load()
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = Append(buf[:0], &d, 0)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/entry")
}

func BenchmarkRead(b *testing.B) {
	d := load()
	buf := Append(nil, &d, 0)
	b.ReportAllocs()
	var r Reader
	for b.Loop() {
		r.Reset(buf)
		if err := r.Next(&d); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/entry")
}

// BenchmarkWitness is what a server pays for telling of an entry of 256 bytes it stores and applies.
func BenchmarkWitness(b *testing.B) {
	entries := make([]raft.Entry, 100)
	for i := range entries {
		entries[i] = raft.Entry{Index: raft.Index(i + 1), Term: 1, Kind: raft.EntryCommand, Data: make([]byte, 280)}
	}
	b.ReportAllocs()
	var w Witness
	for b.Loop() {
		w.Stored(0, entries)
		for i := range entries {
			w.Apply(0, &entries[i], Effect{Is: TookEffect, Session: 1, Seq: uint64(i)})
		}
		w.Reset()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/entry")
}
