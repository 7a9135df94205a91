package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// Whatever byte of a Raft frame is changed, and to what, the receiver refuses
// it; of long frames some are tried.
func TestChangedBytesAreRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range samples() {
		if _, ok := s.body.(raft.Message); !ok {
			continue
		}
		frame := encode(t, s)[4:]
		for i := range frame {
			if i > 100 && rng.IntN(len(frame)) > 100 {
				continue
			}
			for x := 1; x < 256; x++ {
				frame[i] ^= byte(x)
				_, _, err := DecodeMessage(frame)
				frame[i] ^= byte(x)
				var refused *ChecksumError
				if !errors.As(err, &refused) || refused.Bytes != len(frame) {
					t.Fatalf("%s with byte %d changed by %#x: %v, want a ChecksumError", s.name, i, x, err)
				}
			}
		}
		if _, _, err := DecodeMessage(frame); err != nil {
			t.Fatalf("%s as it was: %v", s.name, err)
		}
	}
}

// A checksum that is right makes no frame of what is none.
func TestAChecksumIsNotAll(t *testing.T) {
	seal := func(b []byte) []byte { return sealMessage(append(make([]byte, 4), b...), 0)[4:] }
	for name, tt := range map[string]struct {
		frame []byte
		want  string
	}{
		"of nothing":                 {seal(nil), "frame: not an array"},
		"not counted as an element":  {seal(list(head(KindTimeoutNow)...)), "timeout-now frame: too few elements"},
		"in the place of the header": {seal([]byte{0x95, 19, 1, 2}), "timeout-now frame: term: the frame ends inside it"},
		"before the end":             {append(seal(list(head(KindTimeoutNow, nil)...)), 0), "a damaged frame of 12 bytes: its checksum is not that of its bytes"},
		"too short for one":          {[]byte{0x91}, "a damaged frame of 1 bytes"},
		"none":                       {list(head(KindTimeoutNow, u(1<<31))...), "a damaged frame of 11 bytes"},
	} {
		if _, _, err := DecodeMessage(tt.frame); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if _, _, err := DecodeMessage(seal(append([]byte{0x96}, bytes.Join(head(KindTimeoutNow), nil)...))); err != nil {
		t.Errorf("a frame made by hand: %v", err)
	}
}
