package netlab

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// frames puts together what a node says on its control connection.
func frames(t *testing.T, hello *wire.Hello, kind wire.Kind, body any) []byte {
	t.Helper()
	var b []byte
	if hello != nil {
		b = wire.AppendHello(b, wire.Header{From: 1}, *hello)
	}
	if body != nil {
		var err error
		if b, err = wire.AppendControl(b, kind, 1, body); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// Whatever comes on the control port ends that connection and nothing else:
// the node that is expected still gets in.
func TestHostileControlPort(t *testing.T) {
	l := fakeLab(t, 3)
	l.mu.Lock()
	l.members[0].expected, l.members[0].joined = true, make(chan struct{})
	l.mu.Unlock()
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		if err := l.engine.(*processes).acceptControl(); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { l.engine.hangUp() })

	hello := wire.Hello{Version: wire.Version, Role: wire.RoleControl, Token: l.engine.(*processes).token}
	with := func(change func(*wire.Hello)) *wire.Hello {
		h := hello
		change(&h)
		return &h
	}
	me := wire.Register{Node: 1, Pid: 7, RaftAddr: "127.0.0.1:1", ClientAddr: "127.0.0.1:2"}
	whoelse := func(change func(*wire.Register)) *wire.Register {
		r := me
		change(&r)
		return &r
	}
	giant := binary.BigEndian.AppendUint32(nil, 1<<31)
	long := append(binary.BigEndian.AppendUint32(nil, wire.MaxFrame), make([]byte, strangerBytes+1)...)
	for _, c := range []struct {
		name string
		send []byte
	}{
		{"garbage", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"nothing", nil},
		{"half a length", []byte{0, 0}},
		{"a giant", giant},
		{"a long frame before a hello", long},
		{"another version", frames(t, with(func(h *wire.Hello) { h.Version = 99 }), wire.KindRegister, &me)},
		{"a Raft link", frames(t, with(func(h *wire.Hello) { h.Role = wire.RoleRaft }), wire.KindRegister, &me)},
		{"no token", frames(t, with(func(h *wire.Hello) { h.Token = "" }), wire.KindRegister, &me)},
		{"another token", frames(t, with(func(h *wire.Hello) { h.Token = strings.Repeat("0", 32) }), wire.KindRegister, &me)},
		{"no hello", frames(t, nil, wire.KindRegister, &me)},
		{"a report before it has registered", frames(t, &hello, wire.KindReport, &wire.Report{})},
		{"a node of another lab", frames(t, &hello, wire.KindRegister, whoelse(func(r *wire.Register) { r.Node = 4 }))},
		{"nobody", frames(t, &hello, wire.KindRegister, whoelse(func(r *wire.Register) { r.Node = 0 }))},
		{"a node that nobody started", frames(t, &hello, wire.KindRegister, whoelse(func(r *wire.Register) { r.Node = 2 }))},
		{"a node at no address", frames(t, &hello, wire.KindRegister, whoelse(func(r *wire.Register) { r.RaftAddr = "nowhere" }))},
	} {
		t.Run(c.name, func(t *testing.T) { cutOff(t, l.engine.(*processes).control.Addr().String(), c.send) })
	}

	conn, err := net.Dial("tcp", l.engine.(*processes).control.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(frames(t, &hello, wire.KindRegister, &me)); err != nil {
		t.Fatal(err)
	}
	r := wire.NewReader(conn, 4096)
	frame, err := r.Next()
	if err != nil {
		t.Fatalf("the node that is expected does not get in: %v", err)
	}
	var conf wire.Configure
	if _, err := wire.DecodeControl(frame, &conf); err != nil {
		t.Fatal(err)
	}
	if len(conf.Peers) != 3 || conf.Heartbeat != raft.Duration(50*time.Millisecond) || conf.Token != l.engine.(*processes).token || !conf.Clock.Held {
		t.Errorf("configured as %+v", conf)
	}
	t.Run("the same node again", func(t *testing.T) {
		cutOff(t, l.engine.(*processes).control.Addr().String(), frames(t, &hello, wire.KindRegister, &me))
	})
	// It may tell of itself, and an answer to nothing is nothing.
	say := frames(t, nil, wire.KindReport, &wire.Report{State: &wire.State{Term: 5}})
	say = append(say, frames(t, nil, wire.KindOutcome, &wire.Outcome{Error: "what?"})...)
	if _, err := conn.Write(say); err != nil {
		t.Fatal(err)
	}
	if r, err := l.wait(t.Context(), &Wait{Cond: "S1.term == 5", Timeout: 5 * time.Second}); err != nil || !r.Holds {
		t.Errorf("its report is not heard: %+v, %v", r, err)
	}
	// What no node says ends the conversation.
	if _, err := conn.Write(frames(t, nil, wire.KindClock, &conf.Clock)); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("a node that sends the clock is not cut off: %v", err)
	}
}

// cutOff fails unless the other side ends the connection after it was sent this
// and, having heard it, nothing more.
func cutOff(t *testing.T, addr string, send []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(send); err != nil {
		return // already
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return // already
	}
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, conn)
	if n > 0 {
		t.Errorf("it was answered with %d bytes", n)
	}
	var timeout net.Error
	if e, ok := err.(net.Error); ok {
		timeout = e
	}
	if timeout != nil && timeout.Timeout() {
		t.Error("it is not cut off")
	}
}

// servedLab is a fake lab with its control API on a socket and on TCP.
func servedLab(t *testing.T) (*lab, *Client) {
	t.Helper()
	l := fakeLab(t, 3)
	l.config.Listen = "127.0.0.1:0"
	socket := filepath.Join(t.TempDir(), "s")
	listeners, err := l.api.listen(socket)
	if err != nil {
		t.Skip(err) // a path too long for a socket: the directory for temporary files is
	}
	for _, ln := range listeners {
		l.running.Add(1)
		go func() {
			defer l.running.Done()
			if err := l.api.serve(ln); err != nil {
				t.Error(err)
			}
		}()
	}
	c := newClient(t.TempDir(), "fake", socket)
	t.Cleanup(func() {
		c.Close()
		l.stop(nil)
		l.api.close()
	})
	return l, c
}

func TestHostileRequests(t *testing.T) {
	l, c := servedLab(t)
	url := "http://" + l.api.access.Addr
	for _, c := range []struct {
		name, method, path, body string
		token                    string
		status, code             int
		message                  string
	}{
		{"what is not there", "GET", "/v2/status", "", l.api.access.Token, 404, ExitUsage, `there is nothing at "/v2/status"`},
		{"another method", "DELETE", "/v1/status", "", l.api.access.Token, 405, ExitUsage, "/v1/status takes GET, not DELETE"},
		{"no JSON", "POST", "/v1/op", "kill them", l.api.access.Token, 400, ExitUsage, "is not the JSON that /v1/op takes"},
		{"half of some", "POST", "/v1/op", `{"verb":`, l.api.access.Token, 400, ExitUsage, "is not the JSON that /v1/op takes"},
		{"a field nobody knows", "POST", "/v1/op", `{"verbs":"kill"}`, l.api.access.Token, 400, ExitUsage, `unknown field "verbs"`},
		{"two requests in one", "POST", "/v1/op", `{"verb":"hold"}{"verb":"release"}`, l.api.access.Token, 400, ExitUsage, "more follows it"},
		{"an endless body", "POST", "/v1/kv", `{"key":"` + strings.Repeat("x", bodyMax) + `"}`, l.api.access.Token, 400, ExitUsage, "the request is too large: /v1/kv takes 8388608 bytes at most"},
		{"no such kind", "GET", "/v1/frames?kind=apend", "", l.api.access.Token, 400, ExitUsage, `no frame is of kind "apend"`},
		{"neither yes nor no", "GET", "/v1/frames?held=maybe", "", l.api.access.Token, 400, ExitUsage, `held is "maybe", 1 or 0 is wanted`},
		{"no such sender", "GET", "/v1/frames?from=9", "", l.api.access.Token, 400, ExitUsage, "node 9 is not in this lab"},
		{"no place", "GET", "/v1/frames?after=-1", "", l.api.access.Token, 400, ExitUsage, `after is "-1", a number from 0 on is wanted`},
		{"a kind that there is not, of a fault", "POST", "/v1/op", `{"verb":"cut","links":["1"],"match":{"kinds":["x"]}}`, l.api.access.Token, 400, ExitUsage, `no frame is of kind "x"`},
		{"a limit that there is not", "POST", "/v1/op", `{"verb":"cut","links":["1"],"match":{"color":"red"}}`, l.api.access.Token, 400, ExitUsage, "color"},
		{"a share that is none", "POST", "/v1/op", `{"verb":"corrupt","links":["1"],"share":1e300}`, l.api.access.Token, 400, ExitUsage, "a link delivers 0 to 100 % of its frames corrupt"},
		{"a rate beyond all", "POST", "/v1/op", `{"verb":"throttle","links":["1"],"bytes":9000000000000000000}`, l.api.access.Token, 400, ExitUsage, "throttle: a rate of"},
		{"a fault below all", "POST", "/v1/op", `{"verb":"heal","fault":-1}`, l.api.access.Token, 409, ExitConflict, "there is no fault f-1"},
		{"no number", "GET", "/v1/events?after=x", "", l.api.access.Token, 400, ExitUsage, `after is "x", a number from 0 on is wanted`},
		{"a number below all", "GET", "/v1/log?node=1&from=-1", "", l.api.access.Token, 400, ExitUsage, `from is "-1"`},
		{"no token", "GET", "/v1/status", "", "", 401, ExitUsage, "this lab wants its token"},
		{"another token", "POST", "/v1/down", "{}", "x", 401, ExitUsage, "this lab wants its token"},
		{"what fails tells why", "POST", "/v1/op", `{"verb":"kill","nodes":["leader"]}`, l.api.access.Token, 409, ExitConflict, "there is no leader now"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.token != "" {
				req.Header.Set("Authorization", "Bearer "+c.token)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var e Error
			if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
				t.Fatalf("the answer is no JSON: %v", err)
			}
			if resp.StatusCode != c.status || e.Code != c.code || !strings.Contains(e.Message, c.message) {
				t.Errorf("%d %+v, want %d, code %d, %q", resp.StatusCode, e, c.status, c.code, c.message)
			}
		})
	}
	t.Run("half a request", func(t *testing.T) {
		conn, err := net.Dial("tcp", l.api.access.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprint(conn, "POST /v1/op HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("no HTTP", func(t *testing.T) {
		conn, err := net.Dial("tcp", l.api.access.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte{0, 1, 2, 3, '\r', '\n', '\r', '\n'}); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "400") {
			t.Errorf("answered %q, %v", line, err)
		}
	})
	// And it serves on.
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(told(err))
	}
	if config, err := c.Config(t.Context()); err != nil || config.Nodes != 3 {
		t.Errorf("config %+v, %v", config, err)
	}
	if access, err := c.Access(t.Context()); err != nil || *access != l.api.access {
		t.Errorf("access %+v, %v", access, err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := c.Wait(short, Wait{Cond: "leader == 1", Timeout: time.Minute})
	checkMessage(t, err, ExitTimeout, "has not answered /v1/wait in time")
}

func TestMetrics(t *testing.T) {
	l, c := servedLab(t)
	l.lead(2, 4)
	l.say(2, wire.State{
		Role: raft.Leader, Term: 4, Leader: 2, Commit: 8, ConfigIndex: 7, SnapshotIndex: 5, Base: 5,
		Config: raft.Configuration{Voters: []raft.NodeID{1, 2}, VotersOld: []raft.NodeID{2}, Learners: []raft.NodeID{3}},
		Peers:  []raft.Progress{{ID: 3, Match: 6, Flow: raft.FlowSnapshot}},
	})
	body, err := c.do(t.Context(), http.MethodGet, "/metrics", nil, nil)
	if err != nil {
		t.Fatal(told(err))
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"raftlab_leader 2\n", `raftlab_node_term{node="1"} 4`, `raftlab_node_role{node="2",role="leader"} 1`,
		`raftlab_member{node="1",set="voter"} 1`, `raftlab_member{node="2",set="voter_old"} 1`, `raftlab_member{node="3",set="learner"} 1`,
		"raftlab_config_index 7\n", "raftlab_config_committed 1\n", `raftlab_node_snapshot_index{node="2"} 5`, `raftlab_node_first_index{node="2"} 6`,
		`raftlab_peer_flow{flow="snapshot",node="2",peer="3"} 1`, `raftlab_peer_match_index{node="2",peer="3"} 6`,
		`raftlab_node_state{node="3",state="up"} 1`, `raftlab_link_frames_sent_total{from="1",to="2"} 0`, "raftlab_events_total 0\n",
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %q in\n%s", want, data)
		}
	}
}

// A lab that is taken apart leaves nothing running.
func TestNothingLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("lab", func(t *testing.T) {
		l, c := servedLab(t)
		l.running.Add(1)
		go func() {
			defer l.running.Done()
			if err := l.engine.(*processes).acceptControl(); err != nil {
				t.Error(err)
			}
		}()
		t.Cleanup(func() { l.engine.hangUp() })
		l.must(t, Op{Verb: "release"})
		l.must(t, Op{Verb: "load", Rate: 1000})
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan struct{}, 1)
		ended := make(chan error)
		go func() {
			ended <- c.Stream(ctx, StreamOptions{Frames: true}, func(u Update) error {
				if u.Status != nil {
					first <- struct{}{}
				}
				return nil
			})
		}()
		<-first
		cancel()
		<-ended
	})
	http.DefaultClient.CloseIdleConnections()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
}
