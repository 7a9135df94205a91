package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
)

func seed(f *testing.F) {
	for _, frame := range goldens(f) {
		f.Add(frame[4:])
	}
}

// checkCanonical: what decodes says the same after encode and decode, and
// what the encoder wrote decodes and encodes to the same bytes.
func checkCanonical(t *testing.T, frame []byte) {
	id, body, err := decode(bytes.Clone(frame))
	if err != nil {
		return
	}
	canonical, err := encodeBody(id, body)
	if err != nil {
		t.Fatalf("%x decodes to %+v, which does not encode: %v", frame, body, err)
	}
	id2, body2, err := decode(bytes.Clone(canonical[4:]))
	if err != nil {
		t.Fatalf("%x decodes, its canonical form %x does not: %v", frame, canonical, err)
	}
	if id2 != id || !reflect.DeepEqual(body2, body) {
		t.Fatalf("%x decodes to %+v, its canonical form to %+v", frame, body, body2)
	}
	if again, err := encodeBody(id2, body2); err != nil || !bytes.Equal(again, canonical) {
		t.Fatalf("canonical %x encodes to %x, %v", canonical, again, err)
	}
}

func FuzzDecodeMessage(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		// What is wrong behind a checksum that is right is what there is to find.
		if n := len(frame) - checksumBytes; n >= 0 {
			frame = sealMessage(append(make([]byte, 4), frame[:n]...), 0)[4:]
		}
		h, m, err := DecodeMessage(bytes.Clone(frame))
		if err != nil {
			return
		}
		peeked, s, err := Peek(frame)
		if err != nil || peeked != h {
			t.Fatalf("DecodeMessage likes it, Peek says %+v, %v", peeked, err)
		}
		if want := Summarize(m.Body); s != want {
			t.Fatalf("Peek says %+v of %+v, want %+v", s, m.Body, want)
		}
		checkCanonical(t, frame)
	})
}

func FuzzDecodeRequest(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if DecodeRequest(frame, new(Request)) == nil {
			checkCanonical(t, frame)
		}
	})
}

func FuzzReply(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if DecodeReply(frame, new(Reply)) == nil {
			checkCanonical(t, frame)
		}
	})
}

func FuzzHello(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if _, _, err := DecodeHello(frame); err == nil {
			checkCanonical(t, frame)
		}
	})
}

func FuzzControl(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if h, err := PeekHeader(frame); err == nil && h.Kind >= KindRegister {
			checkCanonical(t, frame)
		}
	})
}

// FuzzReader cuts any stream, in pieces of any size, into the frames that a
// plain reading of the format gives.
func FuzzReader(f *testing.F) {
	var all []byte
	for _, frame := range goldens(f) {
		all = append(all, frame...)
	}
	f.Add(all, uint16(7))
	f.Add(all[:len(all)-3], uint16(1000))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(1))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint16) {
		r := NewReader(&pieces{b: stream, n: int(piece)%4096 + 1}, 0)
		for rest := stream; ; {
			got, err := r.Next()
			var long *FrameError
			switch {
			case len(rest) == 0:
				if err != io.EOF {
					t.Fatalf("at the end: %v", err)
				}
				return
			case len(rest) < 4:
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%d bytes left: %v", len(rest), err)
				}
				return
			}
			length := int(rest[0])<<24 | int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
			switch {
			case length > MaxFrame:
				if !errors.As(err, &long) {
					t.Fatalf("length %d: %v", length, err)
				}
				return
			case length > len(rest)-4:
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("length %d with %d bytes left: %v", length, len(rest), err)
				}
				return
			case err != nil || !bytes.Equal(got, rest[4:4+length]):
				t.Fatalf("frame of %d bytes: got %d, %v", length, len(got), err)
			}
			rest = rest[4+length:]
		}
	})
}

// pieces gives at most n bytes a read.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(buf []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(buf, p.b[:min(p.n, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}
