package netlab

// What is drawn from the lab's seed, each from a sequence of its own, so that
// one more draw here changes nothing there.
const (
	seedNode    = 1 // a node's election timeouts
	seedWords   = 2 // the word random
	seedSession = 3 // clients' sessions
	seedClient  = 4 // clients' retry times
	seedDisk    = 6 // slow syncs, torn writes, flipped bits
	seedChaos   = 5 // the plan of a nemesis
	seedWorld   = 7 // all that a simulated lab leaves to chance beside these
)

// mix makes 64 bits of a seed and the words that say what for. Each step is
// one of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", 2014).
func mix(seed uint64, words ...uint64) uint64 {
	h := seed
	for _, w := range words {
		h = (h ^ w) + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
