package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// spawner starts processes from one operating system thread that lives as long
// as the lab. On Linux a process is killed when the thread that started it
// ends (PR_SET_PDEATHSIG), and other threads come and go.
type spawner struct {
	jobs chan func()
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for job := range s.jobs {
			job()
		}
	}()
	return s
}

// close ends the thread, and with it on Linux what was started from it and
// still runs.
func (s *spawner) close() { close(s.jobs) }

// start starts cmd.
func (s *spawner) start(cmd *exec.Cmd) error {
	failed := make(chan error)
	s.jobs <- func() { failed <- startRetry(cmd) }
	return <-failed
}

// startRetry starts cmd, again when the file is busy: another thread may have
// forked while the file was still open for writing, and the child holds it
// open until its own exec.
func startRetry(cmd *exec.Cmd) error {
	for try := 0; ; try++ {
		err := cmd.Start()
		if !errors.Is(err, syscall.Errno(textBusy)) || try == 20 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// pidText is a process's number in brackets, "" for what has none.
func pidText(pid int) string {
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

// signalText is " with SIGKILL (pid 4121)", and nothing of a node that is no
// process, which no signal reaches.
func signalText(signal string, pid int) string {
	if pid == 0 {
		return ""
	}
	return " with " + signal + pidText(pid)
}

// crash is how the Go runtime begins to say why it ends a program.
var crash = regexp.MustCompile(`^(panic: |fatal error: |SIG[A-Z]+: )`)

// lastLine returns the last line in the file from offset on: what a process
// that ended had to say. Control bytes are escaped, a long line is cut.
func lastLine(path string, offset int64) string {
	f, err := os.Open(path)
	if err != nil {
		return "" // nothing written, nothing to say
	}
	defer f.Close()
	end, err := f.Seek(0, 2)
	if err != nil || end <= offset {
		return ""
	}
	const tail = 64 << 10
	buf := make([]byte, min(end-offset, tail))
	n, err := f.ReadAt(buf, end-int64(len(buf)))
	if err != nil && n == 0 {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(buf[:n]), []byte("\n"))
	line := lines[len(lines)-1]
	// A Go program that crashed says why first, then shows its goroutines.
	for _, l := range lines {
		if crash.Match(l) {
			line = l
			break
		}
	}
	return printable(string(line), 512)
}

// printable cuts s to max bytes and escapes what a terminal would act on.
func printable(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	clean := func(r rune) bool { return r != utf8.RuneError && r >= ' ' && (r < 0x7f || r > 0x9f) }
	for _, r := range s {
		if !clean(r) {
			q := fmt.Sprintf("%q", s)
			return q[1 : len(q)-1]
		}
	}
	return s
}
