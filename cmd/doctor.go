package cmd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"golang.org/x/term"
)

func doctorVerb() *verb {
	return &verb{
		name: "doctor", usage: "Check that this machine can run labs, and what was left behind", category: categoryTool,
		about:    `It exits 1 when there is a problem.`,
		examples: []example{{"raftlab doctor", "a line a check, with what to do"}},
		run:      doctor,
	}
}

// A finding is what one check found.
type finding struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Text  string `json:"text"`
	Next  string `json:"next,omitempty"` // a command to run, or what to change
}

func doctor(c *call) error {
	home, err := netlab.Home()
	if err != nil {
		return err
	}
	findings := []finding{checkHome(home)}
	findings = append(findings, checkLabs(home)...)
	findings = append(findings, checkStrays(home), checkPorts(), checkDisk(home), checkTerminal(c))
	problems := 0
	var bad []string
	for _, f := range findings {
		if !f.OK {
			problems++
			bad = append(bad, f.Check)
		}
	}
	err = c.emit(struct {
		Schema string    `json:"schema"`
		OK     bool      `json:"ok"`
		Checks []finding `json:"checks"`
	}{"raftlab.doctor/1", problems == 0, findings}, bad, func(w io.Writer) error {
		var lines []string
		for _, f := range findings {
			mark := "ok     "
			if !f.OK {
				mark = c.style.alarm("PROBLEM")
			}
			lines = append(lines, fmt.Sprintf("%s  %-9s %s", mark, f.Check, clean(f.Text)))
			if f.Next != "" {
				lines = append(lines, fmt.Sprintf("%19s%s", "", f.Next))
			}
		}
		return writeLines(w, lines)
	})
	if err == nil && problems > 0 {
		return netlab.Errorf(netlab.ExitFailed, "%s found", plural(problems, "problem"))
	}
	return err
}

// checkHome tries to write where labs are kept.
func checkHome(home string) finding {
	f := finding{Check: "home"}
	if err := os.MkdirAll(home, 0o700); err != nil {
		f.Text, f.Next = err.Error(), "set RAFTLAB_HOME to a directory you can write to"
		return f
	}
	probe, err := os.CreateTemp(home, ".doctor-")
	if err != nil {
		f.Text, f.Next = err.Error(), "set RAFTLAB_HOME to a directory you can write to"
		return f
	}
	probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		f.Text = err.Error()
		return f
	}
	f.OK, f.Text = true, home+" can be written"
	return f
}

// checkLabs looks at every lab of the home.
func checkLabs(home string) []finding {
	labs, err := netlab.List(home)
	if err != nil {
		return []finding{{Check: "labs", Text: err.Error()}}
	}
	var out []finding
	running := 0
	for _, l := range labs {
		if l.Running {
			running++
			continue
		}
		out = append(out, finding{Check: "labs", Text: fmt.Sprintf("lab %s: %s", l.Name, l.Note), Next: "raftlab down --lab " + l.Name})
	}
	if len(out) == 0 {
		out = append(out, finding{Check: "labs", OK: true, Text: fmt.Sprintf("%d running, none left behind", running)})
	}
	return out
}

// checkStrays looks for processes that outlived their lab.
func checkStrays(home string) finding {
	f := finding{Check: "processes"}
	strays, err := strayProcesses(home)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		f.OK, f.Text = true, "this system does not list processes by their environment; not checked"
	case err != nil:
		f.Text = err.Error()
	case len(strays) > 0:
		f.Text = fmt.Sprintf("%s without a lab: pid %s", plural(len(strays), "node process"), joinInts(strays))
		f.Next = "kill " + joinInts(strays)
	default:
		f.OK, f.Text = true, "no node without its lab"
	}
	return f
}

func joinInts(ids []int) string {
	s := fmt.Sprint(ids)
	return s[1 : len(s)-1]
}

// checkPorts listens where nodes and the network will.
func checkPorts() finding {
	f := finding{Check: "ports"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Text, f.Next = fmt.Sprintf("cannot listen on loopback: %v", err), "labs need TCP ports on 127.0.0.1"
		return f
	}
	addr := l.Addr().String()
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	l.Close()
	if err != nil {
		f.Text, f.Next = fmt.Sprintf("cannot connect to %s: %v", addr, err), "labs need TCP connections on 127.0.0.1"
		return f
	}
	conn.Close()
	f.OK, f.Text = true, "loopback TCP works"
	return f
}

// slowSync is where the disk, not Raft, decides what a lab shows.
const slowSync = 20 * time.Millisecond

// checkDisk measures small appends with a sync each, as a node's log does them.
func checkDisk(home string) (f finding) {
	f.Check = "disk"
	probe, err := os.CreateTemp(home, ".doctor-")
	if err != nil {
		f.Text, f.Next = err.Error(), "free space, or set RAFTLAB_HOME to another disk"
		return f
	}
	defer func() {
		if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil && f.OK {
			f.OK, f.Text = false, err.Error()
		}
	}()
	var took []time.Duration
	block := make([]byte, 512)
	for range 20 {
		begin := time.Now()
		if _, err = probe.Write(block); err == nil {
			err = probe.Sync()
		}
		if err != nil {
			f.Text, f.Next = err.Error(), "free space, or set RAFTLAB_HOME to another disk"
			return f
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	median := took[len(took)/2]
	f.Text = fmt.Sprintf("a sync takes %s (median of %d)", median.Round(10*time.Microsecond), len(took))
	f.OK = median < slowSync
	if !f.OK {
		f.Next = "every write waits for a majority's syncs: set RAFTLAB_HOME to a faster disk, or use longer timeouts (up --election)"
	}
	return f
}

// checkTerminal tells what the terminal UI will find. Its lack is no problem
// of the machine.
func checkTerminal(c *call) finding {
	f := finding{Check: "terminal", OK: true}
	if err := terminalFor(c); err != nil {
		f.Text = err.Error()
		return f
	}
	out, _ := asFile(c.sh.stdout)
	width, height, err := term.GetSize(int(out.Fd()))
	if err != nil {
		return finding{Check: "terminal", Text: fmt.Sprintf("ask the terminal for its size: %v", err)}
	}
	colour := os.Getenv("COLORTERM")
	if colour == "" {
		colour = "256 colours or fewer"
	}
	letters := "UTF-8"
	if !isUTF8() {
		letters = "no UTF-8 locale, so it is drawn in ASCII"
	}
	f.Text = fmt.Sprintf("%dx%d, TERM=%s, %s, %s", width, height, os.Getenv("TERM"), colour, letters)
	if width < 60 || height < 16 {
		f.OK, f.Next = false, "make the window 60x16 or more for the terminal UI, 80x24 to see all panels"
	}
	return f
}
