package link

import "math/bits"

// What is drawn for: the effects. The numbers are part of what a seed means:
// changing one changes every run.
const (
	drawLoss      uint64 = 1
	drawDelay     uint64 = 2
	drawDuplicate uint64 = 3
	drawReorder   uint64 = 4
	drawCorrupt   uint64 = 5
	drawReset     uint64 = 6
	drawCut       uint64 = 7
	drawBlackhole uint64 = 8
	drawRate      uint64 = 9
	drawHold      uint64 = 10
)

// purpose is what a fault draws for: its effect and its place among the faults
// of that effect on its link, from 0.
func purpose(effect uint64, place int) uint64 { return effect | uint64(place)<<8 }

// A fault draws more than once for the same frame under different uses.
const (
	useEffect uint64 = iota << 48
	useMatch         // whether the frame is one that Match.Prob picks
	useDetail        // what the effect does, once it is certain that it acts
)

// draw returns 64 random bits that belong to this frame and this purpose, from
// this seed: the words that name them, folded one after the other into a hash.
// Each step is a bijection of the 64 bits, so words that differ in one place
// never meet.
func draw(seed uint64, f *Frame, purpose uint64) uint64 {
	h := mix(seed)
	h = mix(h ^ uint64(f.From))
	h = mix(h ^ uint64(f.To))
	h = mix(h ^ f.Number)
	return mix(h ^ purpose)
}

// mix is one step of SplitMix64 (Steele, Lea, Flood: "Fast splittable
// pseudorandom number generators", 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// share turns random bits into a number from 0 up to, not including, 1.
func share(x uint64) float64 {
	return float64(x>>11) / (1 << 53)
}

// below turns random bits into one of the n numbers from 0, all equally likely
// to within n in 2⁶⁴.
func below(x, n uint64) uint64 {
	hi, _ := bits.Mul64(x, n)
	return hi
}
