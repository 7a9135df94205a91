package netlab

import (
	"context"
	"testing"
	"time"
)

// startLab starts a lab in a home of its own and takes it down afterwards.
func startLab(t *testing.T, change func(*Config)) (*Client, Config) {
	t.Helper()
	config, err := Profile(ProfileLAN)
	if err != nil {
		t.Fatal(err)
	}
	config.Nodes, config.Seed = 3, 1
	if change != nil {
		change(&config)
	}
	c, existed, err := Start(t.Context(), StartOptions{Home: t.TempDir(), Name: "test", Config: config, Progress: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatalf("start: %v", told(err))
	}
	if existed {
		t.Fatal("a new lab existed already")
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.Down(ctx, false); err != nil {
			t.Errorf("down: %v", told(err))
		}
		c.Close()
	})
	return c, config
}

func TestLabRuns(t *testing.T) {
	c, _ := startLab(t, nil)
	w, err := c.Wait(t.Context(), Wait{Cond: "quorum", Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(told(err))
	}
	t.Logf("%+v", w)
	s, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(told(err))
	}
	t.Logf("%+v", s)
	r, err := c.KV(t.Context(), KVOp{Op: "put", Key: "x", Value: "1"})
	if err != nil {
		t.Fatal(told(err))
	}
	t.Logf("%+v", r)
	ev, err := c.Events(t.Context(), EventQuery{})
	for _, e := range ev {
		t.Logf("%v %d S%d %s", e.LabNS, e.ID, e.Node, e.Text)
	}
}

// told shows all a user would see.
func told(err error) string {
	if e, ok := err.(*Error); ok {
		return e.Message + " [" + e.Hint + "]"
	}
	return err.Error()
}
