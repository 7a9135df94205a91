package tui

import (
	"math"
	"strings"
	"testing"
)

// Two terms side by side must look different to everybody: every pair of hues
// is at least 15 apart (CIE76 in Lab) under normal vision and under simulated
// protanopia, deuteranopia and tritanopia (Machado, Oliveira, Fernandes 2009,
// severity 1). Black text on each must be readable: contrast 4.5:1 (WCAG).
func TestTermHuesLookDifferentToEverybody(t *testing.T) {
	visions := map[string][9]float64{
		"normal": {1, 0, 0, 0, 1, 0, 0, 0, 1},
		"protan": {0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
		"deutan": {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881},
		"tritan": {1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900},
	}
	for vision, m := range visions {
		for i, a := range termHues {
			for _, b := range termHues[:i] {
				d := distance(labColor(seen(m, a.r, a.g, a.b)), labColor(seen(m, b.r, b.g, b.b)))
				if d < 15 {
					t.Errorf("%s: colours %d and %d are %.1f apart, want 15", vision, a.index, b.index, d)
				}
			}
		}
	}
	for _, h := range termHues {
		l := linear(h.r)*0.2126 + linear(h.g)*0.7152 + linear(h.b)*0.0722
		if c := (l + 0.05) / 0.05; c < 4.5 {
			t.Errorf("black on %d has a contrast of %.1f:1, want 4.5", h.index, c)
		}
	}
}

func linear(v uint8) float64 {
	s := float64(v) / 255
	if s <= 0.04045 {
		return s / 12.92
	}
	return math.Pow((s+0.055)/1.055, 2.4)
}

// seen is a colour in linear light as such eyes see it.
func seen(m [9]float64, r, g, b uint8) [3]float64 {
	v := [3]float64{linear(r), linear(g), linear(b)}
	var out [3]float64
	for i := range out {
		out[i] = min(1, max(0, m[3*i]*v[0]+m[3*i+1]*v[1]+m[3*i+2]*v[2]))
	}
	return out
}

// labColor is linear sRGB in CIE Lab, D65.
func labColor(c [3]float64) [3]float64 {
	x := (0.4124*c[0] + 0.3576*c[1] + 0.1805*c[2]) / 0.95047
	y := 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
	z := (0.0193*c[0] + 0.1192*c[1] + 0.9505*c[2]) / 1.08883
	f := func(v float64) float64 {
		if v > 0.008856 {
			return math.Cbrt(v)
		}
		return 7.787*v + 16.0/116
	}
	return [3]float64{116*f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))}
}

func distance(a, b [3]float64) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}

// NO_COLOR takes the colours and nothing else: bold, underline and reverse say
// things, and a filled cell becomes a reversed one.
func TestNoColorKeepsAttributes(t *testing.T) {
	tests := []struct {
		name  string
		style style
		color Color
		want  string
	}{
		{"a filled cell in 256 colours", filled(7), Color256, "\x1b[0;48;5;166;38;5;16m"},
		{"in truecolor, the same colour", filled(7), ColorTrue, "\x1b[0;48;2;215;95;0;38;5;16m"},
		{"in 16", filled(7), Color16, "\x1b[0;43;30m"},
		{"text on blue is white", filled(4), Color16, "\x1b[0;44;97m"},
		{"without colour it is reversed", filled(7), ColorNone, "\x1b[0;7m"},
		{"bold and underline stay", style{attr: bold | underline}, ColorNone, "\x1b[0;1;4m"},
	}
	for _, tt := range tests {
		if got := string(tt.style.appendSGR(nil, tt.color)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	got := draw(scene(split), look{w: 80, h: 24, color: ColorNone}, nil)
	if strings.Contains(got, "38;5") || strings.Contains(got, "48;5") || !strings.Contains(got, "\x1b[0;1;7m") {
		t.Error("a screen without colours has colours, or no attributes")
	}
}
