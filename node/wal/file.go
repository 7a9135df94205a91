package wal

import (
	"io"
	"os"
)

// File is what the log asks of an open file. Disk faults are made by an
// implementation that wraps another.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Sync returns when what was written, and the file size needed to read it
	// back, is on stable storage.
	Sync() error
}

// OpenFile opens a segment with the flags of [os.OpenFile].
type OpenFile func(path string, flag int) (File, error)

// OpenOnDisk is the disk as it is.
func OpenOnDisk(path string, flag int) (File, error) { return openFile(path, flag) }

func openFile(path string, flag int) (File, error) {
	f, err := os.OpenFile(path, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

func (f osFile) Sync() error { return syncData(f.File) }
