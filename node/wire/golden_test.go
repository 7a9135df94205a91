package wire

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

var update = flag.Bool("update", false, "rewrite testdata")

const goldenFile = "testdata/frames.txt"

// The frames as they are on the wire, in hex and as any msgpack reader shows
// them. What a diff here adds, at the end of a frame or as a field of a control
// body, older nodes skip: -update. Any other diff is a change of the protocol:
// recordings and nodes of other makes stop working, so it takes another [Version].
func TestFramesStayAsTheyAre(t *testing.T) {
	var out strings.Builder
	out.WriteString("# Every kind of frame: its name, its elements, its bytes with the length before them.\n")
	for _, s := range samples() {
		b := encode(t, s)
		if len(b) > 4096 {
			continue
		}
		var v any
		if err := msgpack.Unmarshal(b[4:], &v); err != nil {
			t.Fatalf("%s: msgpack does not read it: %v", s.name, err)
		}
		fmt.Fprintf(&out, "\n%s\n%s\n%s\n", s.name, show(v), hexLines(b))
	}
	if *update {
		if err := os.WriteFile(goldenFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("the frames differ from %s; -update rewrites it. Got:\n%s", goldenFile, out.String())
	}
}

// show writes a decoded value in one line.
func show(v any) string {
	switch v := v.(type) {
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, show(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case map[string]any:
		var parts []string
		for k, e := range v {
			parts = append(parts, k+":"+show(e))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, " ") + "}"
	case []byte:
		return fmt.Sprintf("b%q", v)
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}

func hexLines(b []byte) string {
	var lines []string
	for len(b) > 0 {
		n := min(len(b), 60)
		lines = append(lines, hex.EncodeToString(b[:n]))
		b = b[n:]
	}
	return strings.Join(lines, "\n")
}

// goldens returns the frames of testdata with their length bytes.
func goldens(t testing.TB) [][]byte {
	t.Helper()
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for _, block := range strings.Split(string(text), "\n\n")[1:] {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		frame, err := hex.DecodeString(strings.Join(lines[2:], ""))
		if err != nil {
			t.Fatalf("%s: %s: %v", goldenFile, lines[0], err)
		}
		frames = append(frames, frame)
	}
	if len(frames) < 20 {
		t.Fatalf("%s: only %d frames", goldenFile, len(frames))
	}
	return frames
}

func TestGoldensDecodeAndEncodeToTheSameBytes(t *testing.T) {
	for _, frame := range goldens(t) {
		id, body, err := decode(frame[4:])
		if err != nil {
			t.Errorf("%x: %v", frame, err)
			continue
		}
		if again, err := encodeBody(id, body); err != nil || !bytes.Equal(again, frame) {
			t.Errorf("%x decodes and encodes to %x, %v", frame, again, err)
		}
	}
}
