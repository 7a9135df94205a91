package cmd

import "slices"

// nearest returns the known word that word was likely meant to be, or "". A
// word is near when it is one typing slip in three letters away, or begins
// with what was typed.
func nearest(word string, known []string) string {
	best, bestDistance := "", 0
	for _, k := range known {
		d := editDistance(word, k)
		if len(word) >= 2 && len(k) > len(word) && k[:len(word)] == word {
			d = 1
		}
		if d > max(1, len(word)/3) || len(k) < 2 {
			continue
		}
		if best == "" || d < bestDistance || d == bestDistance && k < best {
			best, bestDistance = k, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	before, prev := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = slices.Min([]int{prev[j] + 1, row[j-1] + 1, prev[j-1] + cost})
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
}
