package wire

import "fmt"

// FrameError is a frame longer than [MaxFrame]: one that came in so, most
// often because whoever dialed speaks something else, or one that was asked for.
type FrameError struct {
	Length, Limit uint64
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("a frame of %d bytes: the limit is %d", e.Length, e.Limit)
}

// VersionError is a hello of another version of the wire.
type VersionError struct {
	Theirs, Ours uint64
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the other end speaks version %d of the wire, this one %d: run the same raftlab on both", e.Theirs, e.Ours)
}

// DecodeError says what is wrong with the bytes of a frame.
type DecodeError struct {
	Kind   Kind   // 0 when the kind itself could not be read
	Field  string // the element that could not be read; empty when the frame is wrong as a whole
	Offset int    // of that element in the frame
	Reason string
}

func (e *DecodeError) Error() string {
	kind := "frame"
	if e.Kind != 0 {
		kind = e.Kind.String() + " frame"
	}
	if e.Field == "" {
		return fmt.Sprintf("%s: %s at byte %d", kind, e.Reason, e.Offset)
	}
	return fmt.Sprintf("%s: %s: %s at byte %d", kind, e.Field, e.Reason, e.Offset)
}

// ChecksumError is a Raft frame that is not as it was sent. Nothing in it can be
// relied on; the frames behind it are whole, since its length was right.
type ChecksumError struct {
	Bytes int // how long it is
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("a damaged frame of %d bytes: its checksum is not that of its bytes", e.Bytes)
}

// EncodeError says why something cannot be put on the wire.
type EncodeError struct {
	Kind   Kind
	Reason string
}

func (e *EncodeError) Error() string { return e.Kind.String() + " frame: " + e.Reason }
