package cmd_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the real program, built from main.go, without -race: the scripts
// start it a few hundred times, and labs of race-checked processes have tests
// of their own (package main, netlab).
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := withBinary(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withBinary(run func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "raftlab-bin")
	if err != nil {
		return 0, err
	}
	defer func() {
		if rerr := os.RemoveAll(dir); err == nil {
			err = rerr
		}
	}()
	binary = filepath.Join(dir, "raftlab")
	build := exec.Command("go", "build", "-o", binary, "github.com/raftlab/raftlab")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build raftlab: %w\n%s", err, out)
	}
	return run(), nil
}
