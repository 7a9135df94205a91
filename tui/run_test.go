package tui

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/netlab"
)

func TestRunNeedsATerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lab := &fakeLab{}
	for name, opts := range map[string]Options{
		"output is a file": {Output: file, Env: func(string) (string, bool) { return "", false }},
		"TERM is dumb":     {Output: &bytes.Buffer{}, Env: func(k string) (string, bool) { return map[string]string{"TERM": "dumb"}[k], true }},
	} {
		opts.Source, opts.Exec = lab, lab.exec
		var e *netlab.Error
		if err := Run(t.Context(), opts); !errors.As(err, &e) || e.Hint != "raftlab status --watch" {
			t.Errorf("%s: %v, want an error whose hint is the way without a terminal", name, err)
		}
	}
}

// One run of the whole program: it draws, leaves on q, waits for its reader
// and says how to come back.
func TestRunLeavesTheLabRunning(t *testing.T) {
	left := false
	lab := &fakeLab{stream: func(ctx context.Context, _ int, f func(netlab.Update) error) error {
		u, _ := split()
		u.Status.Lab = "classroom"
		if err := f(u); err != nil {
			return err
		}
		<-ctx.Done()
		left = true
		return ctx.Err()
	}}
	keys, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	out := &screenWatcher{until: "raftlab classroom", then: func() { typed.WriteString("q"); typed.Close() }}
	err = Run(t.Context(), Options{Source: lab, Exec: lab.exec, Input: keys, Output: out, Color: ColorNone,
		Env: func(k string) (string, bool) { return map[string]string{"TERM": "xterm", "LANG": "C.UTF-8"}[k], true }})
	if err != nil {
		t.Fatal(err)
	}
	if !left {
		t.Error("Run returned before its reader")
	}
	if !strings.HasSuffix(out.String(), "lab classroom runs on.  watch: raftlab tui --lab classroom   stop: raftlab down --lab classroom\n") {
		t.Errorf("the last words are %q", out.String()[max(0, out.Len()-200):])
	}
}

// A reader that panics ends the program properly and is told about.
func TestPanicOfTheReaderIsAnError(t *testing.T) {
	lab := &fakeLab{stream: func(context.Context, int, func(netlab.Update) error) error { panic("boom") }}
	keys, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	defer typed.Close()
	err = Run(t.Context(), Options{Source: lab, Exec: lab.exec, Input: keys, Output: &bytes.Buffer{}, Color: ColorNone,
		Env: func(k string) (string, bool) { return "xterm", true }})
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("Run returned %v, want the panic", err)
	}
}

// screenWatcher is an output that does something once it was shown a word.
type screenWatcher struct {
	bytes.Buffer
	until string
	then  func()
}

func (w *screenWatcher) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if w.then != nil && strings.Contains(w.Buffer.String(), w.until) {
		w.then()
		w.then = nil
	}
	return n, err
}
