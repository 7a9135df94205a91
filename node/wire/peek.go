package wire

import "github.com/raftlab/raftlab/raft"

// Summary is what a Raft frame says, in short. Which fields count depends on
// the header's Kind.
type Summary struct {
	PrevIndex raft.Index // append, heartbeat; append-reply: the request's; snapshot: its last included index; snapshot-reply: the request's
	PrevTerm  raft.Term  // append, heartbeat; snapshot: its last included term
	Commit    raft.Index // append, heartbeat: leaderCommit
	Entries   int        // append: how many it carries
	Match     raft.Index // append-reply; snapshot-reply: its index once the follower has all of it; read-index-reply: the index to wait for
	LastIndex raft.Index // vote, prevote: the candidate's last entry
	LastTerm  raft.Term  // vote, prevote
	Offset    int64      // snapshot: where its bytes belong; snapshot-reply: where the next ones do
	Bytes     int        // snapshot: how many bytes of it there are
	OK        bool       // replies: granted, success; snapshot-reply: the chunk was taken; read-index-reply: always
	Done      bool       // snapshot: these are its last bytes; snapshot-reply: the follower has all of it
}

// Peek reads what a Raft frame says without reading its entries or the bytes
// of a snapshot. It looks at nothing behind their count, so a frame it likes
// need not decode.
func Peek(frame []byte) (Header, Summary, error) {
	c := cursor{b: frame}
	h := c.header()
	var s Summary
	switch h.Kind {
	case KindVote, KindPreVote:
		c.body(voteElements)
		s.LastIndex = raft.Index(c.uint("lastLogIndex"))
		s.LastTerm = raft.Term(c.uint("lastLogTerm"))
	case KindVoteReply, KindPreVoteReply:
		c.body(voteReplyElements)
		s.OK = c.bool("granted")
	case KindHeartbeat, KindAppend:
		s.PrevIndex = raft.Index(c.uint("prevLogIndex"))
		s.PrevTerm = raft.Term(c.uint("prevLogTerm"))
		s.Commit = raft.Index(c.uint("leaderCommit"))
		if h.Kind == KindHeartbeat {
			c.body(heartbeatElements)
			break
		}
		c.body(appendElements)
		c.uint("round")
		s.Entries, _ = c.entryCount(s.PrevIndex)
	case KindAppendReply:
		c.body(appendReplyElements)
		s.OK = c.bool("success")
		s.Match = raft.Index(c.uint("match"))
		s.PrevIndex = raft.Index(c.uint("prevLogIndex"))
	case KindSnapshot:
		c.peekSnapshot(&s)
	case KindSnapshotReply:
		r := c.snapshotReply()
		s.PrevIndex, s.Offset, s.Done = r.Index, r.Next, r.Done
		s.OK = r.Done || r.Next > r.Offset
		if r.Done {
			s.Match = r.Index
		}
	case KindTimeoutNow:
	case KindReadIndex:
		c.body(readIndexElements)
	case KindReadIndexReply:
		c.body(readIndexReplyElements)
		c.uint("readID")
		s.Match, s.OK = raft.Index(c.uint("index")), true
	default:
		c.fail("kind", "no message of Raft", 1)
	}
	if c.failed {
		return Header{}, Summary{}, c.err()
	}
	return h, s, nil
}
