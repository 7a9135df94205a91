package cmd

import (
	"math"
	"strconv"
	"strings"
)

// sizeUnits are the units of sizes, the largest of their kind first.
var sizeUnits = []struct {
	name  string
	bytes float64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

// parseSize reads 64MiB, 1.5kB, 4096: a number of bytes. ok is false when s is
// no size.
func parseSize(s string) (bytes int64, ok bool) {
	number, unit := s, 1.0
	for _, u := range sizeUnits {
		if len(s) > len(u.name) && strings.EqualFold(s[len(s)-len(u.name):], u.name) {
			number, unit = strings.TrimSpace(s[:len(s)-len(u.name)]), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	bytes = int64(min(n*unit, math.MaxInt64/2))
	if err != nil || !(n >= 0) || float64(bytes) < n*unit-1 || bytes == 0 && n > 0 {
		return 0, false
	}
	return bytes, true
}

// size is a number of bytes as people read it: 17 B, 1.5 KiB, 64 MiB.
func size(bytes int64) string {
	for _, u := range sizeUnits[:3] {
		if n := float64(bytes) / u.bytes; n >= 1 {
			return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0") + " " + u.name
		}
	}
	return strconv.FormatInt(bytes, 10) + " B"
}
