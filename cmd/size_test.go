package cmd

import "testing"

func TestSizes(t *testing.T) {
	for _, tc := range []struct {
		text  string
		bytes int64
		ok    bool
	}{
		{"64MiB", 64 << 20, true}, {"64 MiB", 64 << 20, true}, {"1.5kib", 1536, true}, {"2GB", 2e9, true}, {"4096", 4096, true}, {"7B", 7, true}, {"0", 0, true},
		{"", 0, false}, {"MiB", 0, false}, {"-1", 0, false}, {"0.5", 0, false}, {"1e30", 0, false}, {"Inf", 0, false}, {"NaN", 0, false}, {"64 MiBs", 0, false},
	} {
		if bytes, ok := parseSize(tc.text); bytes != tc.bytes || ok != tc.ok {
			t.Errorf("parseSize(%q) = %d, %v; want %d, %v", tc.text, bytes, ok, tc.bytes, tc.ok)
		}
	}
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 64 << 20: "64 MiB", 5 << 29: "2.5 GiB"} {
		if got := size(bytes); got != want {
			t.Errorf("size(%d) = %q, want %q", bytes, got, want)
		}
	}
}
