package link

import (
	"math"
	"strconv"
	"strings"
)

// Line is the fault as somebody would type it: "slow 1 to 3 20ms~5ms normal
// --kind append". links are the words for where; empty leaves them out. Until is
// not told: see [Match.String].
func (f Fault) Line(links string) string {
	words := []string{f.Effect.Verb(), links, f.Effect.args(), f.Match.String()}
	var line []string
	for _, w := range words {
		if w != "" {
			line = append(line, w)
		}
	}
	return strings.Join(line, " ")
}

// Percent is a share as people write it: 5%, 0.1%. The last binary digits of
// what was a decimal number are hidden.
func Percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e11)/1e9, 'f', -1, 64) + "%"
}

// Size is a number of bytes as the command line takes it, exactly: 64KiB, 1000.
func Size(n int64) string {
	for _, u := range [...]struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
