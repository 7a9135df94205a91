package netlab

import (
	"fmt"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// preload writes the logs that nodes find when they start for the first time.
// Equal index and term are the same entry on every node, as Log Matching
// (§5.3) has it: put k7=t4.
func (l *lab) preload() error {
	for id := 1; id <= l.config.Nodes; id++ {
		terms, term := l.config.Preload[id], l.config.Terms[id]
		if len(terms) == 0 && term == 0 {
			continue
		}
		var entries []raft.Entry
		for i, t := range terms {
			c := kv.Command{
				Op:    wire.OpPut,
				Key:   fmt.Appendf(nil, "k%d", i+1),
				Value: fmt.Appendf(nil, "t%d", t),
			}
			entries = append(entries, raft.Entry{
				Index: raft.Index(i + 1), Term: raft.Term(t), Kind: raft.EntryCommand, Data: kv.AppendCommand(nil, &c),
			})
			term = max(term, t)
		}
		if err := l.engine.preload(id, raft.HardState{Term: raft.Term(term)}, entries); err != nil {
			return fmt.Errorf("preload S%d: %w", id, err)
		}
	}
	return nil
}
