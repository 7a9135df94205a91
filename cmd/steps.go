package cmd

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// steps shows on stderr what a slow verb is doing: a spinner and then a tick
// on a terminal, plain lines elsewhere, nothing with -q.
type steps struct {
	w      io.Writer
	silent bool
	live   bool // w is a terminal
	utf8   bool

	mu      sync.Mutex
	current string
	end     chan struct{} // closed to end the spinner
	ended   chan struct{}
}

func newSteps(c *call) *steps {
	return &steps{
		w: c.sh.stderr, silent: c.quiet() || c.sh.embedded || c.format == formatJSON || c.format == formatJSONL,
		live: isTerminal(c.sh.stderr) && os.Getenv("TERM") != "dumb", utf8: isUTF8(),
	}
}

// isUTF8 asks the locale as programs in C do.
func isUTF8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// begin ends the present step as done and starts another.
func (s *steps) begin(what string) {
	s.finish(true)
	if s.silent {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = what
	if !s.live {
		fmt.Fprintf(s.w, "%s\n", what)
		return
	}
	s.startSpinner()
}

// note tells something about the present step, which goes on.
func (s *steps) note(what string) {
	if s.silent {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		fmt.Fprintf(s.w, "%s\n", what)
		return
	}
	s.endSpinner()
	fmt.Fprintf(s.w, "\r\x1b[K   %s\n", what)
	s.startSpinner()
}

// startSpinner and endSpinner frame the spinner of the present step. s.mu is held.
func (s *steps) startSpinner() {
	s.end, s.ended = make(chan struct{}), make(chan struct{})
	go s.spin(s.current, s.end, s.ended)
}

func (s *steps) endSpinner() {
	close(s.end)
	<-s.ended
	s.end = nil
}

func (s *steps) spin(what string, end <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		fmt.Fprintf(s.w, "\r %c %s", `|/-\`[i%4], what)
		select {
		case <-end:
			return
		case <-tick.C:
		}
	}
}

// done ends the present step well, fail as the one that did not work. stop
// ends it too, however it went.
func (s *steps) done() { s.finish(true) }
func (s *steps) fail() { s.finish(false) }
func (s *steps) stop() { s.finish(false) }

func (s *steps) finish(well bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == "" {
		return
	}
	if s.end != nil {
		s.endSpinner()
		mark := "x"
		switch {
		case well && s.utf8:
			mark = "✓"
		case well:
			mark = "+"
		case s.utf8:
			mark = "✗"
		}
		fmt.Fprintf(s.w, "\r %s %s\n", mark, s.current)
	}
	s.current = ""
}
