package raft

// majority is how many of n servers make a decision: more than half (§5.2).
func majority(n int) int { return n/2 + 1 }

// quorumIndex returns the highest index that a majority has reached, given
// every server's. It sorts its argument.
func quorumIndex(reached []Index) Index {
	for i := 1; i < len(reached); i++ { // insertion sort: a cluster is a handful
		for k := i; k > 0 && reached[k-1] < reached[k]; k-- {
			reached[k-1], reached[k] = reached[k], reached[k-1]
		}
	}
	return reached[majority(len(reached))-1]
}

// ballot is what a voter answered.
type ballot uint8

const (
	ballotSilent ballot = iota
	ballotRefused
	ballotGranted
)

// voteWon reports whether a majority of the voters granted.
func voteWon(ballots []ballot) bool {
	granted := 0
	for _, b := range ballots {
		if b == ballotGranted {
			granted++
		}
	}
	return granted >= majority(len(ballots))
}
