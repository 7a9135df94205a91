package check

import (
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// disk is a log of these terms, a digit an entry, whose entries say what their
// index and term say.
func disk(id int, terms string) StoredLog {
	l := StoredLog{ID: id}
	for i, t := range terms {
		term := raft.Term(t - '0')
		l.Entries = append(l.Entries, StoredEntry{Term: term, Digest: uint64(i)<<8 + uint64(term)})
		l.Hard.Term = max(l.Hard.Term, term)
	}
	return l
}

func snapshotOf(l StoredLog, index raft.Index, term raft.Term) StoredLog {
	l.Snapshot = raft.SnapshotMeta{Index: index, Term: term}
	return l
}

func cutOff(l StoredLog, base raft.Index) StoredLog {
	l.BaseTerm, _ = l.term(base)
	l.Entries = l.Entries[base:]
	l.Base = base
	return l
}

func stated(l StoredLog, states ...raft.HardState) StoredLog {
	l.States = states
	l.Hard = states[len(states)-1]
	return l
}

func TestDisksAgainstEachOther(t *testing.T) {
	other := disk(2, "111445")
	other.Entries[2].Digest++
	swapped := disk(1, "1123")
	swapped.Hard.Term = 1
	vote := func(term raft.Term, v raft.NodeID) raft.HardState { return raft.HardState{Term: term, Vote: v} }
	tests := []struct {
		name string
		logs []StoredLog
		want []Property
		says string
	}{
		{"the logs of Figure 7", []StoredLog{disk(1, "1114455666"), disk(2, "111445566"), disk(3, "1114"), disk(4, "11144556666"),
			disk(5, "111445566677"), disk(6, "1114444"), disk(7, "11122233333")}, nil, ""},
		{"no logs", []StoredLog{disk(1, ""), disk(2, "")}, nil, ""},
		{"one that begins where another ends", []StoredLog{snapshotOf(cutOff(disk(1, "1112"), 4), 4, 2), disk(2, "1112")}, nil, ""},
		{"another command under one index and term", []StoredLog{disk(1, "1114455"), other}, []Property{LogMatching},
			"entry 3 of term 1 is not the same command on S1 and S2, though both have entry 6 of term 5"},
		{"another term before one they share", []StoredLog{disk(1, "1124"), disk(2, "1134")}, []Property{LogMatching},
			"entry 3 is of term 2 on S1 and of term 3 on S2, though both have entry 4 of term 4"},
		{"a tail that was never committed", []StoredLog{disk(1, "1112"), disk(2, "1113")}, nil, ""},
		{"the same tail, committed by both", []StoredLog{snapshotOf(disk(1, "1112"), 4, 2), snapshotOf(disk(2, "1113"), 4, 3)}, []Property{StateMachineSafety},
			"entry 4 was applied by S1 and by S2, and is not the same: terms 2 and 3"},
		{"snapshots of one index and two terms", []StoredLog{snapshotOf(cutOff(disk(1, "1112"), 4), 4, 2), snapshotOf(cutOff(disk(2, "1113"), 4), 4, 3)},
			[]Property{StateMachineSafety}, "terms 2 and 3"},
		{"a snapshot that is not what the log says", []StoredLog{snapshotOf(disk(1, "1112"), 3, 2)}, []Property{StateMachineSafety},
			"entry 3 is of term 1 in the log, and of term 2 by the snapshot"},
		{"terms that fall", []StoredLog{disk(1, "1132")}, []Property{LogMatching}, "entry 4 is of term 2, the one before it of term 3"},
		{"entries of a term not entered", []StoredLog{swapped}, []Property{OneVote}, "the current term is 1, but an entry of term 3 is stored"},
		{"two votes in a term", []StoredLog{stated(disk(1, ""), vote(2, 0), vote(2, 3), vote(2, 1)), disk(2, ""), disk(3, "")}, []Property{OneVote}, "in term 2 the vote was for S3 and then for S1"},
		{"a vote a term", []StoredLog{stated(disk(1, ""), vote(2, 3), vote(3, 0), vote(3, 1))}, nil, ""},
		{"a term that goes back", []StoredLog{stated(disk(1, ""), vote(3, 1), vote(2, 1))}, []Property{OneVote}, "went back from 3 to 2"},
		{"two majorities in a term", []StoredLog{
			stated(disk(1, ""), vote(2, 1)), stated(disk(2, ""), vote(2, 1), vote(2, 3)), stated(disk(3, ""), vote(2, 3)),
		}, []Property{OneVote, ElectionSafety}, ""},
		{"votes that went to two", []StoredLog{stated(disk(1, ""), vote(2, 1)), stated(disk(2, ""), vote(2, 1)), stated(disk(3, ""), vote(2, 3))}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, _ := CompareStored(tt.logs)
			var got []Property
			text := ""
			for _, f := range found {
				got = append(got, f.Property)
				text += f.Message + "\n"
			}
			if len(got) != len(tt.want) {
				t.Fatalf("found %v, want %v\n%s", got, tt.want, text)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("found %v, want %v", got, tt.want)
				}
			}
			if !strings.Contains(text, tt.says) {
				t.Errorf("it says\n%s\nand not\n%s", text, tt.says)
			}
		})
	}
}
