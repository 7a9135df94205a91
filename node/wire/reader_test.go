package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"
)

// framed puts length bytes before each of these.
func framed(frames ...string) []byte {
	var b []byte
	for _, f := range frames {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// countingReader counts the reads that reach it.
type countingReader struct {
	r     io.Reader
	reads int
}

func (c *countingReader) Read(p []byte) (int, error) {
	c.reads++
	return c.r.Read(p)
}

func TestReaderCutsFramesHoweverTheyArrive(t *testing.T) {
	long := string(bytes.Repeat([]byte("long"), 3000))
	want := []string{"a", "", "bb", long, string(make([]byte, 508)), string(make([]byte, 509)), "end"}
	stream := framed(want...)
	for name, src := range map[string]io.Reader{
		"at once":              bytes.NewReader(stream),
		"byte by byte":         iotest.OneByteReader(bytes.NewReader(stream)),
		"in halves":            iotest.HalfReader(bytes.NewReader(stream)),
		"with the end at once": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		r := NewReader(src, 0)
		for i, w := range want {
			got, err := r.Next()
			if err != nil || string(got) != w {
				t.Errorf("%s: frame %d = %d bytes, %v, want %d bytes", name, i, len(got), err, len(w))
			}
		}
		for range 2 {
			if _, err := r.Next(); err != io.EOF {
				t.Errorf("%s: after the last frame: %v, want EOF", name, err)
			}
		}
	}
}

func TestReaderReadsManyFramesAtOnce(t *testing.T) {
	src := &countingReader{r: bytes.NewReader(framed("one", "two", "three"))}
	r := NewReader(src, 1024)
	if r.Buffered() {
		t.Error("Buffered before anything was read")
	}
	for i := range 3 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if got, want := r.Buffered(), i < 2; got != want {
			t.Errorf("Buffered after frame %d = %v, want %v", i+1, got, want)
		}
	}
	if src.reads != 1 {
		t.Errorf("three frames took %d reads, want 1", src.reads)
	}
}

func TestHalfAFrameIsNotBuffered(t *testing.T) {
	stream := framed("one", "two")
	r := NewReader(bytes.NewReader(stream[:len(stream)-1]), 1024)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if r.Buffered() {
		t.Error("half a frame counts as buffered")
	}
	_, err := r.Next()
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != "the connection ended 6 bytes into a frame: unexpected EOF" {
		t.Errorf("end inside a frame: %v", err)
	}
}

func TestReaderPassesErrorsOnAfterTheFramesBeforeThem(t *testing.T) {
	broken := errors.New("broken")
	for _, frames := range [][]string{{"one"}, {string(make([]byte, 5000))}} {
		r := NewReader(io.MultiReader(bytes.NewReader(framed(frames...)), iotest.ErrReader(broken)), 0)
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != broken {
			t.Errorf("Next = %v, want %v", err, broken)
		}
	}
	r := NewReader(io.MultiReader(bytes.NewReader(framed(string(make([]byte, 5000)))[:3000]), iotest.ErrReader(broken)), 0)
	if _, err := r.Next(); err != broken {
		t.Errorf("inside a long frame: %v, want %v", err, broken)
	}
	r = NewReader(bytes.NewReader(framed(string(make([]byte, 5000)))[:3000]), 0)
	if _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("end inside a long frame: %v, want ErrUnexpectedEOF", err)
	}
}

func TestHostileLengths(t *testing.T) {
	// A browser on the wrong port.
	r := NewReader(bytes.NewReader([]byte("GET / HTTP/1.1\r\n\r\n")), 0)
	_, err := r.Next()
	var frame *FrameError
	if !errors.As(err, &frame) || frame.Length != 0x47455420 || frame.Limit != MaxFrame {
		t.Errorf("an HTTP request: %v, want a FrameError", err)
	}
	if want := "a frame of 1195725856 bytes: the limit is 8388608"; err.Error() != want {
		t.Errorf("it says %q, want %q", err, want)
	}

	// A length that is allowed but never comes costs no memory.
	head := binary.BigEndian.AppendUint32(nil, MaxFrame)
	head = append(head, make([]byte, 2000)...)
	r = NewReader(bytes.NewReader(head), 0)
	for range 2 {
		if _, err = r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a length without its bytes: %v", err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r = NewReader(bytes.NewReader(head), 0)
	_, err = r.Next()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 {
		t.Errorf("a length of %d with %d bytes behind it takes %d bytes of memory (%v)", MaxFrame, len(head)-4, got, err)
	}

	// The largest frame there is.
	r = NewReader(bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, MaxFrame), make([]byte, MaxFrame)...)), 0)
	if b, err := r.Next(); err != nil || len(b) != MaxFrame {
		t.Errorf("the largest frame: %d bytes, %v", len(b), err)
	}
}

// stuck returns neither bytes nor an error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestReaderDoesNotSpinOnNothing(t *testing.T) {
	if _, err := NewReader(stuck{}, 0).Next(); err != io.ErrNoProgress {
		t.Errorf("Next = %v, want %v", err, io.ErrNoProgress)
	}
}
