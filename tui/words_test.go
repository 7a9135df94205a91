package tui

import "testing"

func TestNameRanges(t *testing.T) {
	for _, tt := range []struct {
		ids  []int
		want string
	}{
		{nil, ""},
		{[]int{3}, "S3"},
		{[]int{1, 2}, "S1 S2"},
		{[]int{1, 2, 3}, "S1-S3"},
		{[]int{1, 3, 5}, "S1 S3 S5"},
		{[]int{1, 2, 3, 7, 8, 10, 11, 12, 13}, "S1-S3 S7 S8 S10-S13"},
	} {
		if got := nameRanges(tt.ids); got != tt.want {
			t.Errorf("nameRanges(%v) = %q, want %q", tt.ids, got, tt.want)
		}
	}
}
