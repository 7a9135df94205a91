package raft

// Majorities (§5.2), and while a configuration is joint the two that a decision
// needs (§6).

// majority is how many of n servers make a decision: more than half.
func majority(n int) int { return n/2 + 1 }

// count is anything servers advance in: an index, a round, a time.
type count interface{ ~uint64 | ~int64 }

// quorumReached returns the highest value that a majority of c's voters has
// reached, while c is joint a majority of each of the two sets. reached tells a
// server's value; scratch has room for as many as there are.
func quorumReached[T count](c *Configuration, scratch []T, reached func(NodeID) T) T {
	at := majorityReached(c.Voters, scratch, reached)
	if c.Joint() {
		at = min(at, majorityReached(c.VotersOld, scratch, reached))
	}
	return at
}

func majorityReached[T count](ids []NodeID, scratch []T, reached func(NodeID) T) T {
	values := scratch[:0]
	for _, id := range ids {
		v := reached(id)
		k := len(values)
		values = append(values, v)
		for k > 0 && values[k-1] < v { // insertion sort: a cluster is a handful
			values[k] = values[k-1]
			k--
		}
		values[k] = v
	}
	return values[majority(len(ids))-1]
}

// quorumOf reports whether a majority of c's voters, while it is joint of each
// of the two sets, says yes.
func quorumOf(c *Configuration, yes func(NodeID) bool) bool {
	return majorityOf(c.Voters, yes) && (!c.Joint() || majorityOf(c.VotersOld, yes))
}

func majorityOf(ids []NodeID, yes func(NodeID) bool) bool {
	n := 0
	for _, id := range ids {
		if yes(id) {
			n++
		}
	}
	return n >= majority(len(ids))
}

// ballot is what a voter answered.
type ballot uint8

const (
	ballotSilent ballot = iota
	ballotRefused
	ballotGranted
)
