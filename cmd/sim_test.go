//go:build unix

package cmd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Goal: every example comes out in virtual time as it does on processes, and the
// same way each time. Method: each is played twice with the same seed; then the
// events of both labs are compared, byte by byte.
func TestExamplesInVirtualTime(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(examplesDir(t), "*.lab"))
	if err != nil || len(files) == 0 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".lab")
		t.Run(name, func(t *testing.T) {
			once := playSim(t, file, name)
			if testing.Short() {
				return
			}
			again := playSim(t, file, name)
			if bytes.Equal(once, again) {
				return
			}
			a, b := bytes.Split(once, []byte("\n")), bytes.Split(again, []byte("\n"))
			for i := range min(len(a), len(b)) {
				if !bytes.Equal(a[i], b[i]) {
					t.Fatalf("event %d is\n%s\nand then\n%s", i+1, a[i], b[i])
				}
			}
			t.Errorf("%d events, and then %d", len(a), len(b))
		})
	}
}

// playSim plays a scenario and returns all events of its lab. One that ends its
// lab itself has none.
func playSim(t *testing.T, file, name string) []byte {
	t.Helper()
	home, err := os.MkdirTemp("", "rl") // short: a socket's path must fit 104 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer endLabs(t, home)
	run := func(args ...string) (stdout []byte, code int) {
		cmd := exec.Command(binary, args...)
		cmd.Env = append(os.Environ(), "RAFTLAB_HOME="+home)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if code = cmd.ProcessState.ExitCode(); code != 0 && code != 3 {
			t.Fatalf("raftlab %s exits %d:\n%s\n%s", strings.Join(args, " "), code, out.Bytes(), errs.Bytes())
		}
		return out.Bytes(), code
	}
	if _, code := run("run", file, "--sim", "--seed", "7", "--keep"); code != 0 {
		t.Fatalf("there is no lab to play %s in", name)
	}
	events, _ := run("events", "--lab", "run-"+name, "-o", "jsonl")
	return events
}
