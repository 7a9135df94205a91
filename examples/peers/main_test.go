package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// It measures all it promises, in the shape that scripts rely on. How fast it
// is is no question of a test.
func TestRunPrintsJSON(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-nodes", "3,5", "-for", "3ms", "-turns", "3", "-rate", "200", "-json"}, &out, &errs); code != 0 {
		t.Fatalf("it exits %d: %s", code, errs.String())
	}
	var got reportJSON
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != "raftlab.bench/1" || got.Bench != "peers" || got.Turns != 3 || got.FlightUS != 100 || got.Seed != 1 {
		t.Errorf("it is %+v", got)
	}
	if len(got.Figures) != len(subjects)*2*2 {
		t.Fatalf("%d figures", len(got.Figures))
	}
	for i, f := range got.Figures {
		if want := []int{3, 3, 5, 5}[i%4]; f.Nodes != want {
			t.Errorf("figure %d is of %d nodes, want %d", i, f.Nodes, want)
		}
		if want := []float64{0, 200}[i%2]; f.Rate != want {
			t.Errorf("figure %d has %v proposals a second, want %v", i, f.Rate, want)
		}
		if f.Lowest <= 0 || f.Ratio < f.Lowest || f.Highest < f.Ratio || f.Messages <= 0 || f.Events <= f.Messages || f.MessagesVirt <= 0 {
			t.Errorf("figure %d: %+v", i, f)
		}
		if f.Nodes == 3 && f.Growth != 1 || f.Growth <= 0 {
			t.Errorf("figure %d has grown to %v", i, f.Growth)
		}
	}
}

func TestRunPrintsATable(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-nodes", "3,5", "-for", "3ms", "-rate", "0"}, &out, &errs); code != 0 {
		t.Fatalf("it exits %d: %s", code, errs.String())
	}
	for _, s := range subjects {
		if !strings.Contains(out.String(), s.String()) {
			t.Errorf("no table of %s:\n%s", s.name, out.String())
		}
	}
	if rows := strings.Count(out.String(), "\n"); rows != len(subjects)*(3+2+1) {
		t.Errorf("%d lines:\n%s", rows, out.String())
	}
}

func TestRunRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for name, args := range map[string][]string{
		"no size":           {"-nodes", "3,x"},
		"none at all":       {"-nodes", "0"},
		"too many":          {"-nodes", "100"},
		"no time":           {"-for", "0s"},
		"no turns":          {"-turns", "0"},
		"a rate below 0":    {"-rate", "-1"},
		"a rate of NaN":     {"-rate", "NaN"},
		"an argument":       {"idle"},
		"an unknown flag":   {"-size", "3"},
		"a flag's nonsense": {"-seed", "one"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != 2 || out.Len() > 0 || errs.Len() == 0 {
			t.Errorf("%s: it exits %d, prints %q, says %q", name, code, out.String(), errs.String())
		}
	}
}

func TestRunIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"-for", "10m"}, &out, &errs); code != 1 || out.Len() > 0 {
		t.Errorf("it exits %d, prints %q", code, out.String())
	}
}
