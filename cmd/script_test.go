//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts run the real binary, each with a home of its own. A script ends
// its labs; what one leaves, because it failed, is ended here.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			home, err := os.MkdirTemp("", "rl") // short: a socket's path must fit 104 bytes
			if err != nil {
				return err
			}
			env.Defer(func() { endLabs(t, home) })
			env.Setenv("RAFTLAB_HOME", home)
			env.Setenv("PATH", filepath.Dir(binary)+string(filepath.ListSeparator)+os.Getenv("PATH"))
			env.Setenv("EXAMPLES", examplesDir(t))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":    cmdCode,
			"killlab": cmdKillLab,
			"taken":   cmdTaken,
		},
	})
}

func examplesDir(t *testing.T) string {
	dir, err := filepath.Abs("../examples")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// endLabs ends every lab of a home, the hard way those that do not end well.
func endLabs(t *testing.T, home string) {
	labs, err := netlab.List(home)
	if err != nil {
		t.Errorf("list labs: %v", err)
	}
	for _, l := range labs {
		if !l.Running {
			continue
		}
		if client, err := netlab.Connect(home, l.Name); err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			err = client.Down(ctx, false)
			cancel()
			if err == nil {
				continue
			}
		}
		if err := syscall.Kill(l.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("end lab %s: %v", l.Name, err)
		}
	}
	if err := os.RemoveAll(home); err != nil {
		t.Errorf("remove the home: %v", err)
	}
}

// cmdCode runs `raftlab WORDS..` and asserts the exit code: code 3 status.
// Output is there for stdout and stderr as after exec.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: code N WORDS..")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("raftlab", args[1:]...)
	got := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("raftlab %q exits %d, want %d", args[1:], got, want)
	}
}

// cmdKillLab kills the process of a lab, as a crash would.
func cmdKillLab(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(filepath.Join(ts.Getenv("RAFTLAB_HOME"), args[0], "lab.json"))
	ts.Check(err)
	var lab struct{ Pid int }
	ts.Check(json.Unmarshal(data, &lab))
	ts.Check(syscall.Kill(lab.Pid, syscall.SIGKILL))
	// Its last thread closes its socket, and the first one may be gone before.
	for syscall.Kill(lab.Pid, 0) == nil {
		proc := filepath.Join("/proc", strconv.Itoa(lab.Pid))
		threads, err := os.ReadDir(filepath.Join(proc, "task"))
		if err != nil {
			return
		}
		if state, err := os.ReadFile(filepath.Join(proc, "stat")); err != nil || len(threads) <= 1 && isZombie(state) {
			return
		}
	}
}

// isZombie reads the state behind the name in /proc/PID/stat.
func isZombie(stat []byte) bool {
	at := bytes.LastIndexByte(stat, ')')
	return at > 0 && len(stat) > at+2 && stat[at+2] == 'Z'
}

// cmdTaken opens a TCP port for the length of the script and puts its address
// into TAKEN.
func cmdTaken(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv("TAKEN", l.Addr().String())
}
