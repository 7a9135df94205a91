//go:build !linux

package wal

import "os"

// syncData is F_FULLFSYNC on macOS, FlushFileBuffers on Windows, fsync elsewhere.
func syncData(f *os.File) error { return f.Sync() }
