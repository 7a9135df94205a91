package tui

import "testing"

// In ASCII the signs of sentences have stand-ins as wide as they are; other
// runes are spelled out, so that nothing is hidden.
func TestASCIIStandIns(t *testing.T) {
	for _, tt := range [][2]string{{"thesis §9.6", "thesis #9.6"}, {"3 → 5", "3 > 5"}, {"é", `\u00e9`}} {
		got := drawn(len(tt[1]), func(pn pane) { pn.text(0, 0, tt[0], plain) })
		if got != tt[1] {
			t.Errorf("%q is drawn as %q, want %q", tt[0], got, tt[1])
		}
	}
}
