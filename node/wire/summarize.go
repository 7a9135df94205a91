package wire

import "github.com/raftlab/raftlab/raft"

// Summarize is what [Peek] reads out of the frame that carries this body.
func Summarize(body raft.Body) (s Summary) {
	switch b := body.(type) {
	case *raft.RequestVote:
		s.LastIndex, s.LastTerm = b.LastLogIndex, b.LastLogTerm
	case *raft.RequestVoteReply:
		s.OK = b.Granted
	case *raft.AppendEntries:
		s.PrevIndex, s.PrevTerm, s.Commit, s.Entries = b.PrevLogIndex, b.PrevLogTerm, b.LeaderCommit, len(b.Entries)
	case *raft.AppendEntriesReply:
		s.OK, s.Match, s.PrevIndex = b.Success, b.Match, b.PrevLogIndex
	case *raft.InstallSnapshot:
		s.PrevIndex, s.PrevTerm, s.Offset, s.Bytes, s.Done = b.Meta.Index, b.Meta.Term, b.Offset, len(b.Data), b.Done
	case *raft.InstallSnapshotReply:
		s.PrevIndex, s.Offset, s.OK, s.Done = b.Index, b.Next, b.Done || b.Next > b.Offset, b.Done
		if b.Done {
			s.Match = b.Index
		}
	case *raft.ReadIndexReply:
		s.OK, s.Match = true, b.Index
	}
	return s
}
