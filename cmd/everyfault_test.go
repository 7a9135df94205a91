//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/cmd"
	"github.com/raftlab/raftlab/netlab"
)

// everyFault is each verb that sets a fault on the network, as a command line
// and as the body of a request to the control API, with what the lab says of it.
var everyFault = []struct {
	line string
	api  string
	says string // of both, and of the preview
	text string // in faults, status and links
	is   func(netlab.LinkStatus) bool
}{
	{"cut 1 to 3", `{"verb":"cut","links":["1","to","3"]}`, "S1 to S3: cut: nothing passes", "cut",
		func(k netlab.LinkStatus) bool { return k.Cut }},
	{"cut 1 to 3 --kind append --request --term 9 --index 5-9 --every 2 --chance 50% --next 3 --for 1h",
		`{"verb":"cut","links":["1 to 3"],"match":{"kinds":["append"],"way":"request","term":9,"from":5,"to":9,"every":2,"prob":0.5,"next":3},"for":3600000000000}`,
		"S1 to S3: cut for some frames (only append, only requests, term 9, entries 5-9, one in 2, each with a chance of 50%, the next 3; for 1h)",
		"cut --kind append --request --term 9 --index 5-9 --every 2 --chance 50% --next 3",
		func(k netlab.LinkStatus) bool { return !k.Cut }},
	{"blackhole 1 to 3", `{"verb":"blackhole","links":["1 to 3"]}`, "S1 to S3: a black hole: frames go in, and none comes out", "blackhole",
		func(k netlab.LinkStatus) bool { return k.Cut }},
	{"slow 1 to 3 2ms~1ms", `{"verb":"slow","links":["1 to 3"],"delay":2000000,"jitter":1000000}`, "S1 to S3: take 2ms~1ms", "slow 2ms~1ms",
		func(k netlab.LinkStatus) bool { return k.DelayMS == 2 && k.JitterMS == 1 }},
	{"slow 1 to 3 2ms pareto --kind heartbeat", `{"verb":"slow","links":["1 to 3"],"delay":2000000,"distribution":"pareto","match":{"kinds":["heartbeat"]}}`,
		"S1 to S3: take 2ms, distributed pareto (only heartbeat)", "slow 2ms pareto --kind heartbeat",
		func(k netlab.LinkStatus) bool { return k.DelayMS == 0 }},
	{"slow 1 to 3 table 1ms,1ms,4ms", `{"verb":"slow","links":["1 to 3"],"distribution":"table","table":[1000000,1000000,4000000]}`,
		"S1 to S3: take 1ms, 1ms or 4ms", "slow table 1ms,1ms,4ms",
		func(k netlab.LinkStatus) bool { return k.DelayMS == 2 }},
	{"lose 1 to 3 10%", `{"verb":"lose","links":["1 to 3"],"loss":0.1}`, "S1 to S3: lose 10 % of their frames", "lose 10%",
		func(k netlab.LinkStatus) bool { return k.Loss == .1 }},
	{"lose 1 to 3 20% --burst 4", `{"verb":"lose","links":["1 to 3"],"loss":0.2,"burst":4}`, "S1 to S3: lose 20 % of their frames, 4 in a row on average", "lose 20% --burst 4",
		func(k netlab.LinkStatus) bool { return k.Loss == .2 }},
	{"duplicate 1 to 3 5% --after 10ms", `{"verb":"duplicate","links":["1 to 3"],"share":0.05,"delay":10000000}`,
		"S1 to S3: deliver 5 % of their frames twice, the second time after 10ms", "duplicate 5% --after 10ms",
		func(k netlab.LinkStatus) bool { return k.Duplicate == .05 }},
	{"reorder 1 to 3 5% --by 30ms", `{"verb":"reorder","links":["1 to 3"],"share":0.05,"delay":30000000}`,
		"S1 to S3: let others overtake 5 % of their frames, which take 30ms longer", "reorder 5% --by 30ms",
		func(k netlab.LinkStatus) bool { return k.Reorder == .05 }},
	{"corrupt 1 to 3 5%", `{"verb":"corrupt","links":["1 to 3"],"share":0.05}`, "S1 to S3: corrupt 5 % of their frames, which the receiver refuses", "corrupt 5%",
		func(k netlab.LinkStatus) bool { return k.Corrupt == .05 }},
	{"throttle 1 to 3 64KiB/s --burst 16KiB", `{"verb":"throttle","links":["1 to 3"],"bytes":65536,"burst":16384}`,
		"S1 to S3: carry 64KiB/s at most", "throttle 64KiB/s --burst 16KiB",
		func(k netlab.LinkStatus) bool { return k.RateBytes == 64<<10 }},
	{"reset 1 to 3 --kind vote --next 2", `{"verb":"reset","links":["1 to 3"],"match":{"kinds":["vote"],"next":2}}`,
		"S1 to S3: a frame breaks the connection, and is lost with it (only vote, the next 2)", "reset --kind vote --next 2",
		func(k netlab.LinkStatus) bool { return !k.Cut }},
	{"frame hold 1 to 3 --kind snapshot --reply", `{"verb":"frame","action":"hold","links":["1 to 3"],"match":{"kinds":["snapshot"],"way":"reply"}}`,
		"S1 to S3: frames are held until somebody lets them go (only snapshot, only replies)", "frame hold --kind snapshot --reply",
		func(k netlab.LinkStatus) bool { return k.OnHold == 0 }},
	{"partition 3 --for 90s", `{"verb":"partition","sides":[["3"]],"for":90000000000}`,
		"{3} | {1 2}: S1 keeps its quorum, S3 loses its own, for 1m30s", "partition 3 / 1 2",
		func(k netlab.LinkStatus) bool { return k.Wall }},
}

// network is a lab whose leader stays the leader, whatever becomes of its
// links, and the ways to reach it.
type network struct {
	home   string
	client *netlab.Client
	access *netlab.Access
}

func startNetwork(t *testing.T, flags ...string) *network {
	t.Helper()
	home, err := os.MkdirTemp("", "rl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endLabs(t, home) })
	t.Setenv("RAFTLAB_HOME", home)
	n := &network{home: home}
	n.raftlab(t, append([]string{"up", "-n", "3", "--seed", "3", "--heartbeat", "100ms", "--election", "10s-20s", "--no-wait", "-q", "--listen", "127.0.0.1:0"}, flags...)...)
	if n.client, err = netlab.Connect(home, "default"); err != nil {
		t.Fatal(err)
	}
	if n.access, err = n.client.Access(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// raftlab runs the binary and returns what it prints.
func (n *network) raftlab(t *testing.T, words ...string) string {
	t.Helper()
	out, err := exec.Command(binary, words...).Output()
	if err != nil {
		var said []byte
		if exit, ok := err.(*exec.ExitError); ok {
			said = exit.Stderr
		}
		t.Fatalf("raftlab %q: %v\n%s%s", words, err, out, said)
	}
	return string(out)
}

// post asks the control API over TCP, as a program in any language would.
func (n *network) post(t *testing.T, body string) *netlab.OpResult {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+n.access.Addr+"/v1/op", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.access.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	var out netlab.OpResult
	if err == nil {
		err = json.Unmarshal(answer, &out)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: %s %s, %v", body, res.Status, answer, err)
	}
	return &out
}

func (n *network) status(t *testing.T) *netlab.Status {
	t.Helper()
	s, err := n.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every fault works from the command line, the palette, a scenario and the
// control API alike: each says the same, which the palette has announced, and the
// fault is in status, faults, links, the stream and the events, with the line that
// set it, until heal --all, after which nothing is left.
func TestEveryFaultWorksEveryWay(t *testing.T) {
	n := startNetwork(t)
	n.raftlab(t, "elect", "1")
	n.raftlab(t, "wait", "leader == 1")
	ways := []struct {
		name string
		set  func(t *testing.T, f int) (says string)
	}{
		{"command line", func(t *testing.T, f int) string {
			return strings.TrimSuffix(n.raftlab(t, strings.Fields(everyFault[f].line)...), "\n")
		}},
		{"palette", func(t *testing.T, f int) string {
			res, err := cmd.ExecLine(t.Context(), "default", everyFault[f].line)
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSuffix(res.Out, "\n")
		}},
		{"scenario", func(t *testing.T, f int) string {
			file := filepath.Join(t.TempDir(), "one.lab")
			text := fmt.Sprintf("# One fault\n%s\nexpect len(faults) == 1 && faults[0].text == %q\n", everyFault[f].line, everyFault[f].text)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			out := n.raftlab(t, "run", file, "--lab", "default")
			if !strings.Contains(out, everyFault[f].says) {
				t.Errorf("the scenario prints\n%s", out)
			}
			return everyFault[f].says
		}},
		{"control API", func(t *testing.T, f int) string {
			return n.post(t, everyFault[f].api).Text
		}},
	}
	for i, f := range everyFault {
		for _, way := range ways {
			t.Run(f.line+" by "+way.name, func(t *testing.T) {
				before := n.status(t)
				if got := cmd.Preview(f.line, before); got != f.says {
					t.Errorf("the preview is %q, want %q", got, f.says)
				}
				seen := n.stream(t, f.text)
				if says := way.set(t, i); says != f.says {
					t.Errorf("it says %q, want %q", says, f.says)
				}
				if err := <-seen; err != nil {
					t.Errorf("the stream has no such fault: %v", err)
				}
				n.isSet(t, f.text, f.is)
				line := ""
				if way.name != "control API" {
					line = "raftlab " + f.line
				}
				n.told(t, before.LastEvent, f.says, line)

				if out := n.raftlab(t, "heal", "--all"); !strings.HasPrefix(out, "healed: ") {
					t.Errorf("heal --all says %q", out)
				}
				n.isHealed(t)
			})
		}
	}
}

var errSeen = errors.New("seen")

// stream follows the lab's stream until it tells of a fault.
func (n *network) stream(t *testing.T, text string) <-chan error {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	begun, seen := make(chan struct{}), make(chan error, 1)
	go func() {
		first := true
		err := n.client.Stream(ctx, netlab.StreamOptions{EveryMS: 5}, func(u netlab.Update) error {
			if first {
				first = false
				close(begun)
			}
			if u.Lab != nil && slices.ContainsFunc(u.Lab.Faults, func(f netlab.FaultStatus) bool { return f.Text == text }) {
				return errSeen
			}
			return nil
		})
		if errors.Is(err, errSeen) {
			err = nil
		}
		seen <- err
	}()
	<-begun
	return seen
}

// isSet checks that a fault is wherever a person or a program would look.
func (n *network) isSet(t *testing.T, text string, is func(netlab.LinkStatus) bool) {
	t.Helper()
	s := n.status(t)
	if len(s.Faults) != 1 || s.Faults[0].Text != text {
		t.Fatalf("status has %+v, want %q", s.Faults, text)
	}
	at := slices.IndexFunc(s.Links, func(k netlab.LinkStatus) bool { return k.From == 1 && k.To == 3 })
	if k := s.Links[at]; !is(k) || !strings.HasPrefix(text, "partition") && k.Set != text {
		t.Errorf("the link is %+v", k)
	}
	if got, want := n.raftlab(t, "faults", "-q"), fmt.Sprintf("f%d\n", s.Faults[0].ID); got != want {
		t.Errorf("faults -q prints %q, want %q", got, want)
	}
	if out := n.raftlab(t, "faults"); !strings.Contains(out, "  "+text+"  ") {
		t.Errorf("faults prints\n%s", out)
	}
	shown := text
	if strings.HasPrefix(text, "partition") {
		shown = "wall"
	}
	if out := n.raftlab(t, "links", "1", "to", "3"); !strings.Contains(out, "1 to 3  "+shown+" ") {
		t.Errorf("links prints\n%s", out)
	}
	if shown == "wall" {
		shown = ": S3 | S1 S2"
	}
	out := n.raftlab(t, "status")
	if !strings.Contains(out, shown) || s.Faults[0].UntilNS > 0 && !strings.Contains(out, " until ") {
		t.Errorf("status prints\n%s", out)
	}
}

// told checks that an event tells of a fault, with the line that set it.
func (n *network) told(t *testing.T, after uint64, says, line string) {
	t.Helper()
	events, err := n.client.Events(t.Context(), netlab.EventQuery{After: after})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(events, func(e netlab.Event) bool {
		return e.Kind == netlab.EventFault && strings.HasSuffix(e.Text, says) && e.Line == line
	}) {
		t.Errorf("no event says %q by %q: %+v", says, line, events)
	}
}

// isHealed checks that nothing is left of any fault.
func (n *network) isHealed(t *testing.T) {
	t.Helper()
	var s struct {
		Partition [][]int          `json:"partition"`
		Faults    []map[string]any `json:"faults"`
		Links     []map[string]any `json:"links"`
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(n.raftlab(t, "status", "-o", "json"))))
	if err := dec.Decode(&s); err != nil {
		t.Fatal(err)
	}
	if s.Partition == nil || len(s.Partition) != 0 || len(s.Faults) != 0 || len(s.Links) != 6 {
		t.Errorf("partition %v, faults %v, %d links", s.Partition, s.Faults, len(s.Links))
	}
	for _, k := range s.Links {
		for name, want := range map[string]any{
			"cut": false, "wall": false, "delay_ms": 0., "jitter_ms": 0., "loss": 0., "duplicate": 0., "reorder": 0.,
			"corrupt": 0., "rate_bytes": 0., "on_hold": 0., "set": "",
		} {
			if got, ok := k[name]; !ok || got != want {
				t.Errorf("link %v to %v: %s is %v, want %v", k["from"], k["to"], name, got, want)
			}
		}
	}
}

// All of them stand before any node runs when a file names them, and are gone
// after heal --all as well.
func TestEveryFaultFromTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "all.faults")
	var lines, want []string
	replaced := map[string]bool{"slow 2ms~1ms": true, "lose 10%": true} // by the next of their kind
	for _, f := range everyFault {
		lines = append(lines, f.line)
		if !replaced[f.text] {
			want = append(want, f.text)
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n := startNetwork(t, "--faults", file)
	var got []string
	for _, f := range n.status(t).Faults {
		got = append(got, f.Text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the lab begins with\n%q, want\n%q", got, want)
	}
	n.raftlab(t, "heal", "--all")
	n.isHealed(t)
}
