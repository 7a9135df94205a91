package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// Every command that the README shows works, in the order it shows them, and
// leaves nothing behind.
func TestREADMECommands(t *testing.T) {
	if testing.Short() {
		t.Skip("starts labs and the compiler: not with -short")
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := shellLines(string(text))
	if len(commands) < 30 {
		t.Fatalf("found only %d commands in the README: %q", len(commands), commands)
	}
	home, bin := t.TempDir(), t.TempDir()
	env := append(os.Environ(), "RAFTLAB_HOME="+home, asMain+"=", "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	run := func(ctx context.Context, name string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env, cmd.WaitDelay = env, 5*time.Second
		return cmd.CombinedOutput()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := exec.LookPath(filepath.Join(bin, "raftlab")); err == nil {
			if out, err := run(ctx, filepath.Join(bin, "raftlab"), "down", "--all"); err != nil {
				t.Errorf("down --all: %v\n%s", err, out)
			}
		}
	})
	for _, line := range commands {
		switch line {
		case "go test ./...":
			continue // this is it
		case "go build -o raftlab .":
			line = "go build -o " + filepath.Join(bin, "raftlab") + " ."
		case "raftlab tui":
			lookAndLeave(t, filepath.Join(bin, "raftlab"), env)
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		out, err := run(ctx, "sh", "-c", line)
		cancel()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		t.Logf("$ %s\n%s", line, out)
		if strings.HasPrefix(line, "go run . up") {
			if !bytes.Contains(out, []byte("go run . down")) {
				t.Errorf("%s: what to do next is not said in words that work without raftlab in the PATH:\n%s", line, out)
			}
			// That lab was for the first look; what follows starts its own.
			if out, err := run(t.Context(), "go", "run", ".", "down"); err != nil {
				t.Fatalf("go run . down: %v\n%s", err, out)
			}
		}
	}
}

// shellLines are the lines of all sh blocks.
func shellLines(markdown string) []string {
	var lines []string
	inside := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		switch {
		case line == "```sh":
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside && line != "":
			lines = append(lines, line)
		}
	}
	return lines
}

// lookAndLeave opens the terminal UI on a terminal, waits for its first
// picture, and quits.
func lookAndLeave(t *testing.T, bin string, env []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "tui")
	cmd.Env = append(env, "TERM=xterm-256color")
	term, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if errors.Is(err, pty.ErrUnsupported) {
		t.Log("no terminals on this system: raftlab tui is left out")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer term.Close()
	var seen bytes.Buffer
	buf := make([]byte, 32<<10)
	asked := false
	for {
		n, err := term.Read(buf)
		seen.Write(buf[:n])
		if !asked && bytes.Contains(seen.Bytes(), []byte("NODES")) {
			asked = true
			if _, err := io.WriteString(term, "q"); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break // the other end closed: it has left
		}
	}
	if err := cmd.Wait(); err != nil || !asked {
		t.Fatalf("raftlab tui: %v, picture seen: %v\n%q", err, asked, seen.String())
	}
}
