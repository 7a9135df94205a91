package wire

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

func appendOf(entries, size int) raft.Message {
	b := &raft.AppendEntries{PrevLogIndex: 1_000_000, PrevLogTerm: 7, LeaderCommit: 1_000_000}
	for i := range entries {
		b.Entries = append(b.Entries, raft.Entry{Index: b.PrevLogIndex + 1 + raft.Index(i), Term: 7, Kind: raft.EntryCommand, Data: make([]byte, size)})
	}
	return message(1, 2, 7, b)
}

func benchmarkMessages() []struct {
	name string
	m    raft.Message
} {
	type named = struct {
		name string
		m    raft.Message
	}
	list := []named{
		{"heartbeat", appendOf(0, 0)},
		{"append-reply", message(2, 1, 7, &raft.AppendEntriesReply{Success: true, Match: 1_000_001, PrevLogIndex: 1_000_000})},
	}
	for _, entries := range []int{1, 64} {
		list = append(list, named{fmt.Sprintf("append-%dx290", entries), appendOf(entries, 290)})
	}
	return append(list, named{"snapshot-64KiB", message(1, 2, 7, &raft.InstallSnapshot{
		Meta:   raft.SnapshotMeta{Index: 1_000_000, Term: 7, Config: raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4, 5}}},
		Offset: 64 << 20, Data: make([]byte, 64<<10),
	})})
}

func BenchmarkEncode(b *testing.B) {
	for _, v := range benchmarkMessages() {
		b.Run(v.name, func(b *testing.B) {
			buf, err := AppendMessage(nil, 1, &v.m)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if buf, err = AppendMessage(buf[:0], uint64(i), &v.m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, v := range benchmarkMessages() {
		b.Run(v.name, func(b *testing.B) {
			buf, err := AppendMessage(nil, 1, &v.m)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := DecodeMessage(buf[4:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPeek(b *testing.B) {
	for _, v := range benchmarkMessages() {
		b.Run(v.name, func(b *testing.B) {
			buf, err := AppendMessage(nil, 1, &v.m)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Peek(buf[4:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	r := Request{ID: 1000, Op: OpPut, Session: 1 << 60, Seq: 1000, Acked: 900, Key: []byte("key00001"), Value: make([]byte, 256)}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRequest(buf[:0], &r)
		if err := DecodeRequest(buf[4:], &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReply(b *testing.B) {
	r := Reply{ID: 1000, Node: 1, Index: 1_000_000, Term: 7}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendReply(buf[:0], &r)
		if err := DecodeReply(buf[4:], &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReport(b *testing.B) {
	var s sample
	for _, s = range samples() {
		if s.name == "report" {
			break
		}
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = AppendControl(buf[:0], KindReport, 0, s.body); err != nil {
			b.Fatal(err)
		}
		var r Report
		if _, err := DecodeControl(buf[4:], &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	for _, v := range benchmarkMessages() {
		b.Run(v.name, func(b *testing.B) {
			buf, err := AppendMessage(nil, 1, &v.m)
			if err != nil {
				b.Fatal(err)
			}
			stream := bytes.Repeat(buf, 1000)
			src := bytes.NewReader(stream)
			r := NewReader(src, 64<<10)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Next(); err == io.EOF {
					src.Reset(stream)
					r.err = nil
				} else if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
