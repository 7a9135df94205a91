package wal

import (
	"fmt"

	"github.com/raftlab/raftlab/raft"
)

// Extent is bytes of a file of a log.
type Extent struct {
	File string // its path
	From int64
	To   int64 // the first byte behind
}

// Locate returns where in the log in dir the bytes of entry i are, its kind and
// data; for i 0 those of the last entry. Like [Scan] it takes no lock and changes
// nothing. The error wraps [ErrDropped] when the log begins behind the entry.
func Locate(dir string, i raft.Index) (Extent, error) {
	m, err := load(dir, openFile)
	if err != nil {
		return Extent{}, err
	}
	first, last := m.restored.Base+1, m.restored.LastIndex
	if i == 0 {
		i = last
	}
	switch {
	case last < first:
		return Extent{}, fmt.Errorf("locate entry %d: the log holds no entry", i)
	case i < first:
		return Extent{}, fmt.Errorf("locate entry %d of a log that begins at %d: %w", i, first, ErrDropped)
	case i > last:
		return Extent{}, fmt.Errorf("locate entry %d of a log that ends at %d", i, last)
	}
	r := reader{open: openFile}
	defer r.close()
	at, _ := m.index.find(i)
	s := m.segments[at.segment()-m.segments[0].number]
	if err := r.look(s); err != nil {
		return Extent{}, err
	}
	for off := at.offset(); ; {
		b, size, err := r.frame(s, off)
		if err != nil {
			return Extent{}, err
		}
		for p := (body{b: b}); ; {
			left := len(p.b)
			if p.left == 0 && left > opEntriesSize && p.b[0] == opEntries {
				left -= opEntriesSize // what is said of a run of entries, before the first
			}
			more, err := p.next()
			if err != nil {
				return Extent{}, &DamageError{File: s.path, Offset: off, Reason: err.Error()}
			}
			if !more {
				break
			}
			if p.is == opEntries && p.entry.Index == i {
				begin := off + headerSize + int64(len(b))
				return Extent{File: s.path, From: begin - int64(left), To: begin - int64(len(p.b))}, nil
			}
		}
		off += size
	}
}
