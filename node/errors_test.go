package node

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

func TestDiskErrorsSayWhatToDoAndNameTheFileOnce(t *testing.T) {
	wrapped := func(err error) error {
		return fmt.Errorf("write log /d/1.wal: %w", &fs.PathError{Op: "write", Path: "/d/1.wal", Err: err})
	}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a full disk", wrapped(syscall.ENOSPC), "the disk is full: write /d/1.wal: no space left on device; free some space, then restart S1: nothing acknowledged is lost"},
		{"a disk made full", wrapped(injectedError{syscall.ENOSPC}), "the disk is full: write /d/1.wal: no space left on device (injected); nothing acknowledged is lost"},
		{"a sick disk", wrapped(syscall.EIO), "write the log of S1: write /d/1.wal: input/output error"},
		{"anything else", errors.New("odd"), "write the log of S1 in /d: odd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (&DiskError{Node: 1, Dir: "/d", Op: "write", Err: tt.err}).Error(); got != tt.want {
				t.Errorf("%q,\nwant %q", got, tt.want)
			}
		})
	}
}
