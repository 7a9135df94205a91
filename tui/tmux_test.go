package tui

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The whole program on a real terminal and a real lab: it draws, acts, follows
// the terminal's size, and leaves the lab and the terminal as they should be.
func TestOnATerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a lab and a terminal; not with -short")
	}
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("tmux is not installed: there is no terminal to look at")
	}
	dir, err := os.MkdirTemp("", "rl") // short: the path of a unix socket has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	bin := filepath.Join(dir, "raftlab")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/raftlab/raftlab").CombinedOutput(); err != nil {
		t.Fatalf("build raftlab: %v\n%s", err, out)
	}
	env := append(os.Environ(), "RAFTLAB_HOME="+dir, "RAFTLAB_LAB=", "LC_ALL=C.UTF-8", "NO_COLOR=1", "SHELL=/bin/sh", "TMUX=")
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", filepath.Base(name), args, err, out)
		}
		return string(out)
	}
	run(bin, "up", "-n", "3", "-q")
	t.Cleanup(func() { run(bin, "down") })
	term := func(args ...string) string {
		return run(tmux, append([]string{"-S", filepath.Join(dir, "tmux"), "-f", "/dev/null"}, args...)...)
	}
	term("new-session", "-d", "-x", "80", "-y", "24", "/bin/sh", "-c", bin+" tui; stty -a | grep -o '[-]*icanon'; exec cat")
	t.Cleanup(func() { term("kill-server") })
	screen := func() string { return term("capture-pane", "-p") }
	poll := time.NewTicker(30 * time.Millisecond)
	defer poll.Stop()
	await := func(what string, ok func(string) bool) {
		t.Helper()
		last := ""
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-poll.C {
			if last = screen(); ok(last) {
				return
			}
		}
		t.Fatalf("never saw %s; the screen:\n%s", what, last)
	}
	shows := func(words ...string) func(string) bool {
		return func(s string) bool {
			for _, w := range words {
				if !strings.Contains(s, w) {
					return false
				}
			}
			return true
		}
	}

	await("the lab with its leader", shows("raftlab default", "all 3 nodes follow", "NODES", "MESSAGES", "EVENTS", "LEADER"))
	term("send-keys", "w")
	await("the prompt", shows(": put"))
	term("send-keys", "-l", "cart 1")
	term("send-keys", "Enter")
	await("a committed write", shows("cart"))
	term("send-keys", "x") // the leader: it was picked at the start
	await("the dead leader and its successor", func(s string) bool {
		return shows("DEAD -9", "(you: raftlab kill")(s) && strings.Contains(s, "LEADER ")
	})
	term("resize-window", "-x", "120", "-y", "40")
	await("two columns", shows("LINKS", "row sends to column"))
	term("resize-window", "-x", "40", "-y", "10")
	await("the card", shows("needs 60x16, is 40x10"))
	term("resize-window", "-x", "200", "-y", "50")
	await("three columns", shows("CLUSTER", "SEQUENCE"))
	term("send-keys", "r")
	await("all nodes again", shows("all 3 nodes follow"))
	term("send-keys", "a")
	await("the next number", shows(": add 4"))
	term("send-keys", "Enter")
	await("both configurations, and the new voter", shows("C_old", "C_new", "decides alone", "S4 follower", "all 4 nodes follow"))
	term("send-keys", "4")
	term("send-keys", "l")
	await("the new leader", shows("S4 LEADER", "all 4 nodes follow"))
	term("send-keys", "n")
	await("its snapshot", shows("[snap", "snapshot of 1-"))
	term("send-keys", "d")
	await("the question", shows("SURE?", "raftlab remove 4", "process ends"))
	term("send-keys", "y")
	await("three nodes, one of them the leader, and the next one picked", func(s string) bool {
		return shows("3 nodes", "all 3 nodes follow", "S4 removed", "> S3 ")(s) && !strings.Contains(s, "S4 LEADER")
	})
	term("send-keys", "q")
	await("the farewell on a sane terminal", func(s string) bool {
		return shows("lab default runs on.", "icanon")(s) && !strings.Contains(s, "-icanon")
	})
}
