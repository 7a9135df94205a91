package raft

// TermOf returns the term of entry i, for the checkers, which stand outside.
// Index 0 has term 0; an index after the log's end has none.
func (n *Node) TermOf(i Index) (Term, bool) { return n.log.term(i) }
