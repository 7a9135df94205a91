package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// It measures all it promises, in the shape that scripts rely on. How fast it
// is is no question of a test.
func TestBenchProxy(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Run(t.Context(), []string{"bench", "proxy", "--for", "40ms", "-o", "json"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("it exits %d: %s", code, errs.String())
	}
	var got proxyJSON
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != netlab.SchemaBench || got.Bench != "proxy" {
		t.Errorf("it is %s of %s", got.Schema, got.Bench)
	}
	for i, path := range []string{"bare", "iocopy", "proxy", "raw"} {
		p, s, f := got.Ping[i], got.Stream[i], got.Frames[i]
		if p.Path != path || s.Path != path || f.Path != path {
			t.Errorf("path %d is %s, %s and %s, want %s", i, p.Path, s.Path, f.Path, path)
		}
		if p.Trips < 1 || p.P50US <= 0 || p.P99US < p.P50US {
			t.Errorf("round trips over %s: %+v", path, p)
		}
		if s.FrameBytes < benchBlock || s.BytesPerS <= 0 || f.PerSec <= 0 {
			t.Errorf("streams over %s: %+v and %+v", path, s, f)
		}
	}
	for i, asked := range []float64{1, 20, 200} {
		for k, path := range []string{"sleep", "proxy", "raw"} {
			d := got.Delays[3*i+k]
			if d.Path != path || d.AskedMS != asked || d.Frames < 1 || d.P50MS < 0.99*asked || d.P99MS < d.P50MS {
				t.Errorf("a delay of %g ms over %s is %+v", asked, path, d)
			}
		}
	}
	if l := got.Links; l.Nodes != 21 || l.Links != 420 || l.Connections != 840 || l.MemoryBytes < 1 || l.OpenMS <= 0 {
		t.Errorf("21 nodes: %+v", l)
	}
	if r := got.Raw; r.Connections != 420 || r.MemoryBytes < 1 || r.Goroutines < r.Connections {
		t.Errorf("a raw link: %+v", r)
	}
}

// An interrupt ends it in the middle, and all it started.
func TestBenchProxyIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	var out, errs bytes.Buffer
	if code := Run(ctx, []string{"bench", "proxy", "--for", "10m"}, strings.NewReader(""), &out, &errs); code == 0 || out.Len() > 0 {
		t.Errorf("it exits %d, prints %q", code, out.String())
	}
}
