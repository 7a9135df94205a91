package wire

import (
	"fmt"
	"math"
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// The bodies of Raft frames, after the header. Behind each of them, and behind
// what a later version adds to it, comes the checksum (checksum.go). Of an append
// everything that the network shows comes before the entries. Entries have no index of their own:
// they follow PrevLogIndex without a gap (§5.3).
//
//	vote, prevote              lastLogIndex lastLogTerm transfer
//	vote-reply, prevote-reply  granted
//	heartbeat                  prevLogIndex prevLogTerm leaderCommit round
//	append                     prevLogIndex prevLogTerm leaderCommit round [[term kind data] …]
//	append-reply               success match prevLogIndex conflictTerm conflictIndex round
//	timeout-now
//	read-index                 readID
//	read-index-reply           readID index
//
// The bodies of snapshots are in snapshot.go.
const (
	voteElements           = 3
	voteReplyElements      = 1
	heartbeatElements      = 4
	appendElements         = 5
	appendReplyElements    = 6
	entryElements          = 3
	timeoutNowElements     = 0
	readIndexElements      = 1
	readIndexReplyElements = 2
)

// KindOf is the kind of the frame that carries this body; 0 for none.
func KindOf(body raft.Body) Kind {
	switch b := body.(type) {
	case *raft.RequestVote:
		if b.PreVote {
			return KindPreVote
		}
		return KindVote
	case *raft.RequestVoteReply:
		if b.PreVote {
			return KindPreVoteReply
		}
		return KindVoteReply
	case *raft.AppendEntries:
		if len(b.Entries) == 0 {
			return KindHeartbeat
		}
		return KindAppend
	case *raft.AppendEntriesReply:
		return KindAppendReply
	case *raft.InstallSnapshot:
		return KindSnapshot
	case *raft.InstallSnapshotReply:
		return KindSnapshotReply
	case *raft.TimeoutNow:
		return KindTimeoutNow
	case *raft.ReadIndex:
		return KindReadIndex
	case *raft.ReadIndexReply:
		return KindReadIndexReply
	}
	return 0
}

// AppendMessage appends the frame of m, its length bytes included, to dst. id
// is the sender's number for it on this link. On an error dst comes back as it was.
func AppendMessage(dst []byte, id uint64, m *raft.Message) ([]byte, error) {
	h := Header{Kind: KindOf(m.Body), From: m.From, To: m.To, ID: id, Term: m.Term}
	start := len(dst)
	switch b := m.Body.(type) {
	case *raft.RequestVote:
		dst = beginMessage(dst, h, voteElements)
		dst = appendUint(dst, uint64(b.LastLogIndex))
		dst = appendUint(dst, uint64(b.LastLogTerm))
		dst = appendBool(dst, b.Transfer)
	case *raft.RequestVoteReply:
		dst = beginMessage(dst, h, voteReplyElements)
		dst = appendBool(dst, b.Granted)
	case *raft.AppendEntries:
		if len(b.Entries) == 0 {
			dst = appendPrevious(beginMessage(dst, h, heartbeatElements), b)
			break
		}
		if err := checkEntries(b); err != nil {
			return dst, err
		}
		dst = slices.Grow(dst, entriesSize(b.Entries))
		dst = appendPrevious(beginMessage(dst, h, appendElements), b)
		dst = appendArray(dst, len(b.Entries))
		for i := range b.Entries {
			e := &b.Entries[i]
			dst = appendArray(dst, entryElements)
			dst = appendUint(dst, uint64(e.Term))
			dst = appendUint(dst, uint64(e.Kind))
			dst = appendBytes(dst, e.Data)
		}
	case *raft.AppendEntriesReply:
		dst = beginMessage(dst, h, appendReplyElements)
		dst = appendBool(dst, b.Success)
		dst = appendUint(dst, uint64(b.Match))
		dst = appendUint(dst, uint64(b.PrevLogIndex))
		dst = appendUint(dst, uint64(b.ConflictTerm))
		dst = appendUint(dst, uint64(b.ConflictIndex))
		dst = appendUint(dst, b.Round)
	case *raft.InstallSnapshot:
		var err error
		if dst, err = appendSnapshot(dst, h, b); err != nil {
			return dst, err
		}
	case *raft.InstallSnapshotReply:
		var err error
		if dst, err = appendSnapshotReply(dst, h, b); err != nil {
			return dst, err
		}
	case *raft.TimeoutNow:
		dst = beginMessage(dst, h, timeoutNowElements)
	case *raft.ReadIndex:
		dst = appendUint(beginMessage(dst, h, readIndexElements), b.ID)
	case *raft.ReadIndexReply:
		dst = beginMessage(dst, h, readIndexReplyElements)
		dst = appendUint(dst, b.ID)
		dst = appendUint(dst, uint64(b.Index))
	default:
		return dst, &EncodeError{Reason: fmt.Sprintf("a message with body %T", m.Body)}
	}
	dst = sealMessage(dst, start)
	if err := checkLength(dst, start); err != nil {
		return dst[:start], err
	}
	return endFrame(dst, start), nil
}

func appendPrevious(dst []byte, b *raft.AppendEntries) []byte {
	dst = appendUint(dst, uint64(b.PrevLogIndex))
	dst = appendUint(dst, uint64(b.PrevLogTerm))
	dst = appendUint(dst, uint64(b.LeaderCommit))
	return appendUint(dst, b.Round)
}

// checkEntries: the wire derives indexes, so a gap would be lost on it.
func checkEntries(b *raft.AppendEntries) error {
	for i := range b.Entries {
		if want := b.PrevLogIndex + 1 + raft.Index(i); b.Entries[i].Index != want {
			return &EncodeError{Kind: KindAppend,
				Reason: fmt.Sprintf("entry %d of it has index %d after prevLogIndex %d, want %d", i, b.Entries[i].Index, b.PrevLogIndex, want)}
		}
	}
	return nil
}

// entriesSize is a little more than an append of these entries takes.
func entriesSize(entries []raft.Entry) int {
	const frame, entry = 104, 20 // the most that stands around entries, around Data
	n := frame + entry*len(entries)
	for i := range entries {
		n += len(entries[i].Data)
	}
	return n
}

// DecodeMessage reads a Raft frame. One whose checksum is wrong is a
// *[ChecksumError], whatever else is wrong with it. The Data of entries and of a snapshot is
// memory of frame, so the caller gives frame away: it must not be changed
// afterwards.
func DecodeMessage(frame []byte) (Header, raft.Message, error) {
	if err := verify(frame); err != nil {
		return Header{}, raft.Message{}, err
	}
	c := cursor{b: frame}
	h := c.header()
	c.unseal()
	m := raft.Message{From: h.From, To: h.To, Term: h.Term}
	switch h.Kind {
	case KindVote, KindPreVote:
		c.body(voteElements)
		m.Body = &raft.RequestVote{
			PreVote:      h.Kind == KindPreVote,
			LastLogIndex: raft.Index(c.uint("lastLogIndex")),
			LastLogTerm:  raft.Term(c.uint("lastLogTerm")),
			Transfer:     c.bool("transfer"),
		}
	case KindVoteReply, KindPreVoteReply:
		c.body(voteReplyElements)
		m.Body = &raft.RequestVoteReply{PreVote: h.Kind == KindPreVoteReply, Granted: c.bool("granted")}
	case KindHeartbeat:
		c.body(heartbeatElements)
		m.Body = c.previous()
	case KindAppend:
		c.body(appendElements)
		b := c.previous()
		b.Entries = c.entries(b.PrevLogIndex)
		m.Body = b
	case KindAppendReply:
		c.body(appendReplyElements)
		m.Body = &raft.AppendEntriesReply{
			Success:       c.bool("success"),
			Match:         raft.Index(c.uint("match")),
			PrevLogIndex:  raft.Index(c.uint("prevLogIndex")),
			ConflictTerm:  raft.Term(c.uint("conflictTerm")),
			ConflictIndex: raft.Index(c.uint("conflictIndex")),
			Round:         c.uint("round"),
		}
	case KindSnapshot:
		m.Body = c.snapshot()
	case KindSnapshotReply:
		b := c.snapshotReply()
		m.Body = &b
	case KindTimeoutNow:
		c.body(timeoutNowElements)
		m.Body = &raft.TimeoutNow{}
	case KindReadIndex:
		c.body(readIndexElements)
		m.Body = &raft.ReadIndex{ID: c.uint("readID")}
	case KindReadIndexReply:
		c.body(readIndexReplyElements)
		m.Body = &raft.ReadIndexReply{ID: c.uint("readID"), Index: raft.Index(c.uint("index"))}
	default:
		c.fail("kind", "no message of Raft", 1)
	}
	c.end()
	if c.failed {
		return Header{}, raft.Message{}, c.err()
	}
	return h, m, nil
}

func (c *cursor) previous() *raft.AppendEntries {
	return &raft.AppendEntries{
		PrevLogIndex: raft.Index(c.uint("prevLogIndex")),
		PrevLogTerm:  raft.Term(c.uint("prevLogTerm")),
		LeaderCommit: raft.Index(c.uint("leaderCommit")),
		Round:        c.uint("round"),
	}
}

// minEntry is what the shortest entry takes: array, term, kind, two for no bytes.
const minEntry = 5

func (c *cursor) entries(prev raft.Index) []raft.Entry {
	n, at := c.entryCount(prev)
	if c.failed {
		return nil
	}
	if n > (len(c.b)-c.off)/minEntry {
		c.fail("entries", reasonShort, at)
		return nil
	}
	entries := make([]raft.Entry, n)
	for i := range entries {
		e := &entries[i]
		at := c.off
		elements := c.array("entry")
		if !c.failed && elements < entryElements {
			c.fail("entry", reasonElements, at)
		}
		e.Index = prev + 1 + raft.Index(i)
		e.Term = raft.Term(c.uint("entry's term"))
		e.Kind = raft.EntryKind(c.uint8("entry's kind"))
		e.Data = c.bytes("entry's data")
		for ; elements > entryElements && !c.failed; elements-- {
			c.skip("entry", 2)
		}
		if c.failed {
			return nil
		}
	}
	return entries
}

// entryCount reads how many entries an append carries and where that stands.
// One without any is a heartbeat and comes as such.
func (c *cursor) entryCount(prev raft.Index) (n, at int) {
	at = c.off
	n = c.array("entries")
	switch {
	case c.failed:
	case n == 0:
		c.fail("entries", reasonElements, at)
	case uint64(n) > math.MaxUint64-uint64(prev):
		c.fail("prevLogIndex", reasonRange, at)
	}
	return n, at
}
