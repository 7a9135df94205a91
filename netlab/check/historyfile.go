package check

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/raftlab/raftlab/node/wire"
)

// A history file holds calls and returns in their order:
//
//	file header
//	 0  "raftlab history\n"
//	16  format version, 4 bytes
//	20  checksum of bytes 0 to 19: these 24 bytes are the same in every version
//	record
//	 0  length of the body, 4 bytes
//	 4  checksum of the body, started with the checksum before it, 4 bytes
//	 8  body: what it is, 1 byte, and what that says
//
// Numbers of fixed length are little-endian, those in bodies varints; checksums
// are CRC-32C. A body is one of
//
//	run      run, seed, fresh, operations before, name: a lab begins, or goes on
//	call     id, at, op, read, key, value, old, client
//	carried  the same: the operation was called before what the file holds
//	answer   id, at, refused and found as bits, index, node, value
//	lose     id, at
//	fail     id, at
//	mark     at, kind, text: what else happened
//
// As each checksum goes on from the one before, a record that is missing is seen.
// A record that is cut short at the end of the file is what a process that was
// killed leaves behind.

const (
	historyMagic   = "raftlab history\n"
	historyVersion = 1
	historyHeader  = 24
	recordHeader   = 8
	// bodyMax is more than any record has.
	bodyMax = 64 << 10
)

const (
	recordRun = iota + 1
	recordCall
	recordCarried
	recordAnswer
	recordLose
	recordFail
	recordMark
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Run is what a history says of the lab it is of.
type Run struct {
	Lab    string
	Seed   uint64
	Number uint64 // how many processes had the lab, this one included
	Fresh  bool   // no key had a value
	Before uint64 // operations that were called before, and are not in the file
}

// MarkForeign marks a key, its Text, that clients have written to whose operations
// are not recorded.
const MarkForeign = "foreign"

// Mark is something that happened beside the operations.
type Mark struct {
	LabNS int64
	Kind  string
	Text  string
	Place int64 // among the calls and returns: it comes behind the one of this place
}

// HistoryWriter makes the bytes of a history file.
type HistoryWriter struct {
	sum   uint32
	begun bool
}

// Start begins a file.
func (w *HistoryWriter) Start(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, historyMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, historyVersion)
	w.sum = crc32.Checksum(dst[from:], castagnoli)
	w.begun = true
	return binary.LittleEndian.AppendUint32(dst, w.sum)
}

// Begun tells whether the file has its start.
func (w *HistoryWriter) Begun() bool { return w.begun }

// record appends what fill appends, as a record.
func (w *HistoryWriter) record(dst []byte, kind byte, fill func([]byte) []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, recordHeader)...)
	dst = fill(append(dst, kind))
	body := dst[at+recordHeader:]
	w.sum = crc32.Update(w.sum, castagnoli, body)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[at+4:], w.sum)
	return dst
}

// Run says of which lab the history is.
func (w *HistoryWriter) Run(dst []byte, r *Run) []byte {
	return w.record(dst, recordRun, func(b []byte) []byte {
		b = binary.AppendUvarint(b, r.Number)
		b = binary.AppendUvarint(b, r.Seed)
		b = appendBit(b, r.Fresh)
		b = binary.AppendUvarint(b, r.Before)
		return appendString(b, r.Lab)
	})
}

// Call says that an operation was called.
func (w *HistoryWriter) Call(dst []byte, op *Operation) []byte { return w.call(dst, recordCall, op) }

// Carried says of an operation that is open that it was called before the file began.
func (w *HistoryWriter) Carried(dst []byte, op *Operation) []byte {
	return w.call(dst, recordCarried, op)
}

func (w *HistoryWriter) call(dst []byte, kind byte, op *Operation) []byte {
	return w.record(dst, kind, func(b []byte) []byte {
		b = binary.AppendUvarint(b, op.ID)
		b = binary.AppendVarint(b, op.CalledNS)
		b = append(b, byte(op.Op), byte(op.Read))
		b = appendString(b, op.Key)
		b = appendString(b, op.Value)
		b = appendString(b, op.Old)
		return appendString(b, op.Client)
	})
}

// Return says how an operation ended.
func (w *HistoryWriter) Return(dst []byte, op *Operation) []byte {
	kind := byte(recordAnswer)
	switch op.Outcome {
	case Lost:
		kind = recordLose
	case Failed:
		kind = recordFail
	}
	return w.record(dst, kind, func(b []byte) []byte {
		b = binary.AppendUvarint(b, op.ID)
		b = binary.AppendVarint(b, op.ReturnedNS)
		if kind != recordAnswer {
			return b
		}
		bits := byte(0)
		if op.Answer.Refused {
			bits |= 1
		}
		if op.Answer.Found {
			bits |= 2
		}
		b = append(b, bits)
		b = binary.AppendUvarint(b, op.Answer.Index)
		b = binary.AppendUvarint(b, uint64(op.Answer.Node))
		return appendString(b, op.Answer.Value)
	})
}

// Mark says what else happened.
func (w *HistoryWriter) Mark(dst []byte, m *Mark) []byte {
	return w.record(dst, recordMark, func(b []byte) []byte {
		b = binary.AppendVarint(b, m.LabNS)
		b = appendString(b, m.Kind)
		return appendString(b, m.Text)
	})
}

func appendBit(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// HistoryDamage says that a history file cannot be read on from Offset. What is
// before it is whole.
type HistoryDamage struct {
	Offset int64
	Reason string
}

func (e *HistoryDamage) Error() string {
	return fmt.Sprintf("the history is damaged at offset %d: %s", e.Offset, e.Reason)
}

// NoHistory says that a file is none.
type NoHistory struct{ Size int64 }

func (e *NoHistory) Error() string {
	if e.Size == 0 {
		return "the file is empty"
	}
	return "the file does not begin as a history does"
}

// HistoryVersion says that a file is of a format that this program does not read.
type HistoryVersion struct{ Version, Reads uint32 }

func (e *HistoryVersion) Error() string {
	return fmt.Sprintf("the history is of format %d, this program reads format %d", e.Version, e.Reads)
}

// IsHistory tells whether data begins as a history file does.
func IsHistory(data []byte) bool {
	return len(data) >= len(historyMagic) && string(data[:len(historyMagic)]) == historyMagic
}

// Reading is a history as it is read back: the whole of it, and judged.
type Reading struct {
	History    *History
	Operations []*Operation // in the order of their calls
	Marks      []Mark
	Runs       []Run
	Torn       int64 // bytes at the end of the last file that are no whole record
	Size       int64 // bytes of the last file that were read
	Findings   []Finding

	// Writer goes on behind the last whole record.
	Writer HistoryWriter

	byID map[uint64]*Operation
}

// NewReading returns one that has read nothing.
func NewReading() *Reading { return &Reading{byID: make(map[uint64]*Operation)} }

// Read reads a file's bytes. Of several files the older comes first. An error
// is a *[HistoryDamage], *[HistoryVersion] or *[NoHistory]; what was read before it stays.
func (r *Reading) Read(data []byte) error {
	sum, err := readHeader(data)
	if err != nil {
		return err
	}
	r.Writer = HistoryWriter{sum: sum, begun: true}
	off := int64(historyHeader)
	r.Torn, r.Size = 0, off
	for off < int64(len(data)) {
		rest := data[off:]
		if len(rest) < recordHeader {
			r.Torn = int64(len(rest))
			return nil
		}
		n := int64(binary.LittleEndian.Uint32(rest))
		if n == 0 || n > bodyMax {
			return &HistoryDamage{off, fmt.Sprintf("a record of %d bytes", n)}
		}
		if recordHeader+n > int64(len(rest)) {
			r.Torn = int64(len(rest))
			return nil
		}
		body := rest[recordHeader:][:n]
		sum = crc32.Update(sum, castagnoli, body)
		if sum != binary.LittleEndian.Uint32(rest[4:]) {
			return &HistoryDamage{off, "the checksum of a record is wrong, or one is missing before it"}
		}
		if err := r.take(body); err != nil {
			return &HistoryDamage{off, err.Error()}
		}
		off += recordHeader + n
		r.Writer.sum, r.Size = sum, off
		if r.History != nil && len(r.History.ready) > 0 && r.History.held > windowMax {
			r.Findings = append(r.Findings, r.History.Judge(false)...)
		}
	}
	return nil
}

// Close judges what is left. What is open then has an outcome that nobody knows.
func (r *Reading) Close() {
	if r.History == nil {
		r.History = NewHistory(false)
	}
	r.Findings = append(r.Findings, r.History.Judge(true)...)
	for _, m := range r.Marks {
		if m.Kind == MarkForeign {
			r.History.Disown(m.Text)
		}
	}
	r.Findings = r.History.Report().Findings
}

// LoseOpen says that nobody waits for the operations any more that are open: who
// asked is gone.
func (h *History) LoseOpen() { h.closeAll() }

func readHeader(data []byte) (uint32, error) {
	if len(data) < historyHeader || !IsHistory(data) {
		return 0, &NoHistory{int64(len(data))}
	}
	sum := crc32.Checksum(data[:20], castagnoli)
	if sum != binary.LittleEndian.Uint32(data[20:]) {
		return 0, &HistoryDamage{20, "the checksum of the file's header is wrong"}
	}
	if v := binary.LittleEndian.Uint32(data[16:]); v != historyVersion {
		return 0, &HistoryVersion{v, historyVersion}
	}
	return sum, nil
}

// take takes in one record.
func (r *Reading) take(body []byte) error {
	p := parser{rest: body[1:]}
	kind := body[0]
	if kind != recordRun && r.History == nil {
		return fmt.Errorf("it does not begin with the lab it is of")
	}
	switch kind {
	case recordRun:
		run := Run{Number: p.uint(), Seed: p.uint(), Fresh: p.byte() != 0, Before: p.uint(), Lab: p.text()}
		if err := p.end(); err != nil {
			return err
		}
		r.Runs = append(r.Runs, run)
		switch {
		case r.History == nil:
			r.History = NewHistory(run.Fresh && run.Before == 0)
		case run.Before == 0:
			r.History.closeAll() // the process before this one is gone, and its clients with it
		}
	case recordCall, recordCarried:
		op := &Operation{ID: p.uint(), CalledNS: p.int()}
		op.Op, op.Read = wire.Op(p.byte()), wire.Read(p.byte())
		op.Key, op.Value, op.Old, op.Client = p.text(), p.text(), p.text(), p.text()
		if err := p.end(); err != nil {
			return err
		}
		if !op.Op.Known() || !op.Read.Known() {
			return fmt.Errorf("there is no operation %d, or no read %d", op.Op, op.Read)
		}
		known := r.byID[op.ID] != nil
		if known && kind == recordCarried {
			return nil
		}
		if known {
			return fmt.Errorf("operation %d is called twice", op.ID)
		}
		op = r.History.invoke(op.ID, op.Client, op.Request, op.CalledNS)
		op.straddles = kind == recordCarried
		r.byID[op.ID] = op
		r.Operations = append(r.Operations, op)
	case recordAnswer:
		id, at := p.uint(), p.int()
		bits := p.byte()
		a := Answer{Refused: bits&1 != 0, Found: bits&2 != 0, Index: p.uint(), Node: int(p.uint() & 0xffff), Value: p.text()}
		if err := p.end(); err != nil {
			return err
		}
		if r.History.open[id] == nil {
			return fmt.Errorf("operation %d is answered and not open", id)
		}
		r.History.answered(id, a, at)
	case recordLose, recordFail:
		id, at := p.uint(), p.int()
		if err := p.end(); err != nil {
			return err
		}
		if r.History.open[id] == nil {
			return fmt.Errorf("operation %d ends and is not open", id)
		}
		if kind == recordLose {
			r.History.Lose(id, at)
		} else {
			r.History.Fail(id, at)
		}
	case recordMark:
		m := Mark{LabNS: p.int(), Kind: p.text(), Text: p.text(), Place: r.History.place}
		if err := p.end(); err != nil {
			return err
		}
		r.Marks = append(r.Marks, m)
	default:
		return fmt.Errorf("there is no record of kind %d", kind)
	}
	return nil
}

type parser struct {
	rest []byte
	bad  bool
}

func (p *parser) uint() uint64 {
	v, n := binary.Uvarint(p.rest)
	return number(p, v, n)
}

func (p *parser) int() int64 {
	v, n := binary.Varint(p.rest)
	return number(p, v, n)
}

func number[T int64 | uint64](p *parser, v T, n int) T {
	if n <= 0 {
		p.bad, p.rest = true, nil
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *parser) byte() byte {
	if len(p.rest) == 0 {
		p.bad = true
		return 0
	}
	b := p.rest[0]
	p.rest = p.rest[1:]
	return b
}

func (p *parser) text() string {
	n := p.uint()
	if n > uint64(len(p.rest)) {
		p.bad, p.rest = true, nil
		return ""
	}
	s := string(p.rest[:n])
	p.rest = p.rest[n:]
	return s
}

func (p *parser) end() error {
	if p.bad || len(p.rest) > 0 {
		return fmt.Errorf("a record has the wrong length")
	}
	return nil
}
