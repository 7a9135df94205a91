package main

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// asMain makes this test binary behave as raftlab itself: the lab and its nodes
// are then this binary, built with what the test was built with (-race).
const asMain = "RAFTLAB_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	os.Setenv(asMain, "1")
	os.Exit(m.Run())
}

// startLab starts a lab of real processes in a home of its own and takes it
// down when the test ends, however it ends.
func startLab(t *testing.T, change netlab.Config) *netlab.Client {
	t.Helper()
	cfg, err := netlab.Profile("lan")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Nodes, cfg.Seed = change.Nodes, change.Seed
	lab, _, err := netlab.Start(t.Context(), netlab.StartOptions{
		Home: t.TempDir(), Name: "test", Config: cfg, Executable: os.Args[0],
		Progress: func(s string) { t.Log(s) },
	})
	if err != nil {
		t.Fatalf("start lab: %v", err)
	}
	t.Cleanup(func() {
		// t's context is over by now.
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := lab.Down(ctx, false); err != nil {
			t.Errorf("down: %v", err)
		}
		lab.Close()
	})
	return lab
}
