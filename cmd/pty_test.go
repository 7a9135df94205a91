//go:build unix

package cmd_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// A terminal that never answers sees no question: the libraries of the
// terminal UI are in the binary and initialize with it (package quietterm).
func TestVersionAsksTheTerminalNothing(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"help"}, {"status", "--color", "never"}} {
		cmd := exec.Command(binary, args...)
		cmd.Env = append(os.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor", "RAFTLAB_HOME="+t.TempDir())
		terminal, err := pty.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		// Linux ends the read with EIO when the last process has left the terminal.
		out, err := io.ReadAll(terminal)
		if err != nil && !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		var exit *exec.ExitError // status finds no lab; only its bytes matter
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		terminal.Close()
		if len(out) == 0 || bytes.ContainsRune(out, 0x1b) {
			t.Errorf("raftlab %v wrote %q to the terminal, want text without escapes", args, out)
		}
	}
}

// The guard gives TERM back: what runs after it sees the real terminal.
func TestTerminalKeepsItsName(t *testing.T) {
	cmd := exec.Command(binary, "doctor")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "RAFTLAB_HOME="+t.TempDir())
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	out, err := io.ReadAll(terminal)
	if err != nil && !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("doctor: %v", err)
	}
	if !bytes.Contains(out, []byte("120x40, TERM=xterm-256color")) {
		t.Errorf("doctor says %q, want it to know the terminal", out)
	}
}

// In the background a terminal is not read: reading it would stop the process
// and all it carries.
func TestProxyInTheBackground(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	cmd := exec.Command(bash, "-c", `set -m; "$0" proxy --to 127.0.0.1:1 --for 300ms & wait $!; echo "code $?"`, binary)
	cmd.Env = append(os.Environ(), "RAFTLAB_HOME="+t.TempDir())
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	out, err := io.ReadAll(terminal)
	if err != nil && !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte("code 0")) || !bytes.Contains(out, []byte("0 connections, 0 open")) {
		t.Errorf("it says %q, want it to run to its end", out)
	}
}
