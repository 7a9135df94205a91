package netlab

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/raftlab/raftlab/node"
)

// The tests run real processes: labs and nodes are started from this test
// binary, which is then what raftlab's hidden verbs are.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "lab":
			os.Exit(runLab())
		case "node":
			os.Exit(runNode())
		}
	}
	// A process under the race detector sleeps a second before it exits.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func runLab() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := Serve(ctx, ServeOptions{Dir: os.Args[3], Ready: os.Stdout}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runNode() int {
	if os.Getenv(envSick) == os.Getenv(node.EnvID) {
		fmt.Fprintln(os.Stderr, "this node is sick on purpose")
		return 3
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	options, err := node.FromEnv()
	if err == nil {
		options.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
		err = node.Run(ctx, options)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// envSick names the node whose process ends as soon as it is started.
const envSick = "RAFTLAB_TEST_SICK"
