package wire

import (
	"fmt"
	"math"
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// The bodies of the frames that carry snapshots (Figure 13). The bytes come
// last but for the checksum, so that the network shows all else without reading them.
//
//	snapshot        lastIndex lastTerm lastConfig offset done round data
//	snapshot-reply  lastIndex offset next done round
const (
	snapshotElements      = 7
	snapshotReplyElements = 5
)

func appendSnapshot(dst []byte, h Header, b *raft.InstallSnapshot) ([]byte, error) {
	if b.Offset < 0 {
		return dst, &EncodeError{Kind: h.Kind, Reason: fmt.Sprintf("its offset is %d", b.Offset)}
	}
	config, err := appendLastConfig(nil, &b.Meta)
	if err != nil {
		return dst, &EncodeError{Kind: h.Kind, Reason: fmt.Sprintf("its configuration cannot be one: %v", err)}
	}
	const frame = 104 // the most that stands around config and Data
	dst = slices.Grow(dst, frame+len(config)+len(b.Data))
	dst = beginMessage(dst, h, snapshotElements)
	dst = appendUint(dst, uint64(b.Meta.Index))
	dst = appendUint(dst, uint64(b.Meta.Term))
	dst = appendBytes(dst, config)
	dst = appendUint(dst, uint64(b.Offset))
	dst = appendBool(dst, b.Done)
	dst = appendUint(dst, b.Round)
	return appendBytes(dst, b.Data), nil
}

// appendLastConfig appends the bytes of a snapshot's configuration: none when
// there is neither. A snapshot of any entry has one (§7), since a cluster of
// nobody commits nothing.
func appendLastConfig(dst []byte, meta *raft.SnapshotMeta) ([]byte, error) {
	if meta.Index == 0 && meta.Config.Equal(raft.Configuration{}) {
		return dst, nil
	}
	if err := meta.Config.Validate(); err != nil {
		return dst, err
	}
	return meta.Config.AppendTo(dst), nil
}

func (c *cursor) snapshot() *raft.InstallSnapshot {
	c.body(snapshotElements)
	b := &raft.InstallSnapshot{Meta: raft.SnapshotMeta{
		Index: raft.Index(c.uint("lastIndex")),
		Term:  raft.Term(c.uint("lastTerm")),
	}}
	b.Meta.Config = c.lastConfig(b.Meta.Index)
	b.Offset = c.int64("offset")
	b.Done = c.bool("done")
	b.Round = c.uint("round")
	b.Data = c.bytes("data")
	return b
}

func (c *cursor) lastConfig(index raft.Index) raft.Configuration {
	at := c.off
	b := c.bytes("lastConfig")
	if c.failed || len(b) == 0 && index == 0 {
		return raft.Configuration{}
	}
	config, err := raft.DecodeConfiguration(b)
	if err != nil {
		c.fail("lastConfig", err.Error(), at)
	}
	return config
}

// peekSnapshot reads what comes before a snapshot's bytes, and their number.
func (c *cursor) peekSnapshot(s *Summary) {
	c.body(snapshotElements)
	s.PrevIndex = raft.Index(c.uint("lastIndex"))
	s.PrevTerm = raft.Term(c.uint("lastTerm"))
	c.bytes("lastConfig")
	s.Offset = c.int64("offset")
	s.Done = c.bool("done")
	c.uint("round")
	s.Bytes = len(c.bytes("data"))
}

func appendSnapshotReply(dst []byte, h Header, b *raft.InstallSnapshotReply) ([]byte, error) {
	if b.Offset < 0 || b.Next < 0 {
		return dst, &EncodeError{Kind: h.Kind, Reason: fmt.Sprintf("its offsets are %d and %d", b.Offset, b.Next)}
	}
	dst = beginMessage(dst, h, snapshotReplyElements)
	dst = appendUint(dst, uint64(b.Index))
	dst = appendUint(dst, uint64(b.Offset))
	dst = appendUint(dst, uint64(b.Next))
	dst = appendBool(dst, b.Done)
	return appendUint(dst, b.Round), nil
}

func (c *cursor) snapshotReply() raft.InstallSnapshotReply {
	c.body(snapshotReplyElements)
	return raft.InstallSnapshotReply{
		Index:  raft.Index(c.uint("lastIndex")),
		Offset: c.int64("offset"),
		Next:   c.int64("next"),
		Done:   c.bool("done"),
		Round:  c.uint("round"),
	}
}

// int64 reads a number that is not negative and fits one that could be.
func (c *cursor) int64(field string) int64 {
	at := c.off
	v := c.uint(field)
	if v > math.MaxInt64 {
		c.fail(field, reasonRange, at)
		return 0
	}
	return int64(v)
}
