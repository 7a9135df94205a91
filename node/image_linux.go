package node

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// releaseImage unmaps the pages of the program's own file that starting up has
// touched: the whole of raftlab initializes itself in every process, and a
// node needs little of it again. What it does need comes back from the page
// cache, a few hundred microseconds in all; what it doesn't is no longer
// counted as its memory.
//
// Only mappings that nobody can write and nobody has written (a loader may have
// relocated them) are let go: the file still has all that was in them.
func releaseImage() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	var from, to uintptr // of the mapping that the lines are about, if it is the program's
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-"):
			from, to = 0, 0
			if len(fields) == 6 && fields[5] == exe && (fields[1] == "r-xp" || fields[1] == "r--p") {
				if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err != nil {
					return fmt.Errorf("mapping %s: %w", fields[0], err)
				}
			}
		case len(fields) == 3 && fields[0] == "Anonymous:" && fields[1] == "0" && to > from:
			if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED); errno != 0 {
				return errors.Join(errors.New("madvise"), errno)
			}
		}
	}
	return lines.Err()
}
