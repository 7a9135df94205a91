package netlab

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/netlab/check"
	"github.com/raftlab/raftlab/node/client"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// asks records an operation as a client's.
func (l *lab) asks(who string, q wire.Request, reply wire.Reply, err error) {
	t := l.history.called(who, &q)
	l.history.ended(t, &reply, err)
}

func putOf(key, value string) wire.Request {
	return wire.Request{Op: wire.OpPut, Key: []byte(key), Value: []byte(value)}
}

func getOf(key string) wire.Request { return wire.Request{Op: wire.OpGet, Key: []byte(key)} }

func TestAContradictionIsAViolation(t *testing.T) {
	l := fakeLab(t, 3)
	l.asks("c", putOf("x", "1"), wire.Reply{Index: 2, Node: 1}, nil)
	l.asks("c", putOf("x", "2"), wire.Reply{Index: 3, Node: 1}, nil)
	l.asks("c", getOf("x"), wire.Reply{Found: true, Value: []byte("1"), Index: 3, Node: 2}, nil)
	l.history.judge(false)
	s := l.status()
	if len(s.Violations) != 1 {
		t.Fatalf("violations: %+v", s.Violations)
	}
	v := s.Violations[0]
	if v.Property != LinearizabilityProperty || len(v.Nodes) != 1 || v.Nodes[0] != 2 || v.Index != 3 || !strings.Contains(v.Message, `get "x": "1"`) {
		t.Errorf("%+v", v)
	}
	r := l.checkReport()
	if r.OK || r.Linearizability.Verdict != check.VerdictViolated || r.Linearizability.Judged != 3 {
		t.Errorf("%+v, %+v", r, r.Linearizability)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.events.at(l.events.last); e.Kind != EventViolation || e.Node != 2 || !strings.HasPrefix(e.Text, "Linearizability: no order") {
		t.Errorf("%+v", e)
	}
}

// Who writes without being recorded makes what others see there worth nothing; the
// lab's own clients, retries included, do not.
func TestClientsThatAreNotRecorded(t *testing.T) {
	l := fakeLab(t, 3)
	own := l.clients.Add(1)
	var entries []raft.Entry
	for i, c := range []kv.Command{
		{Op: wire.OpPut, Key: []byte("x"), Value: []byte("9"), Session: 12345, Seq: 1},
		{Op: wire.OpPut, Key: []byte("y"), Value: []byte("1"), Session: client.Renewed(mix(l.config.Seed, seedSession, uint64(l.run), own), 2), Seq: 1},
	} {
		entries = append(entries, raft.Entry{Index: raft.Index(i + 1), Term: 1, Kind: raft.EntryCommand, Data: kv.AppendCommand(nil, &c)})
	}
	if err := os.MkdirAll(l.dir.nodeData(2), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := wal.Create(l.dir.nodeData(2), raft.HardState{Term: 1}, entries); err != nil {
		t.Fatal(err)
	}
	l.asks("c", putOf("x", "1"), wire.Reply{Index: 2}, nil)
	l.asks("c", getOf("x"), wire.Reply{Found: true, Value: []byte("9"), Index: 3}, nil)
	l.history.report()
	if v := l.status().Violations; len(v) > 0 {
		t.Errorf("%+v", v)
	}
	if r := l.history.report(); r.Verdict != check.VerdictUnknown || len(r.Findings) > 0 || len(r.Reasons) == 0 || r.Judged+r.NotJudged != 2 {
		t.Errorf("%+v", r)
	}
	reading, err := readHistory(l.dir.history())
	if err != nil {
		t.Fatal(err)
	}
	if reading.Close(); reading.History.Report().Verdict != check.VerdictUnknown {
		t.Errorf("read back: %+v", reading.History.Report())
	}
	l.asks("c", getOf("y"), wire.Reply{Found: true, Value: []byte("7"), Index: 3}, nil)
	if r := l.history.report(); r.Verdict != check.VerdictViolated {
		t.Errorf("%+v", r)
	}
}

func TestWhatCountsAsAnOperation(t *testing.T) {
	l := fakeLab(t, 3)
	l.asks("c", putOf("x", "1"), wire.Reply{}, &client.UnknownError{What: `put "x"`})
	l.asks("c", putOf("x", "2"), wire.Reply{}, &client.UndoneError{What: `put "x"`})
	l.asks("c", getOf("x"), wire.Reply{}, &client.UndoneError{What: `get "x"`})
	l.asks("c", putOf("", "2"), wire.Reply{}, &client.RefusedError{Reason: "no key"})
	l.asks("c", getOf("x"), wire.Reply{Found: true, Value: []byte("1")}, nil)
	l.history.judge(false)
	r := l.checkReport().Linearizability
	if r.Verdict != check.VerdictOK || r.Lost != 1 || r.Failed != 3 || r.Judged != 2 || r.Operations != 2 {
		t.Errorf("%+v", r)
	}
}

// TestHistoryGoesOn ends a lab's recorder, as its process does, and begins another on the
// same directory.
func TestHistoryGoesOn(t *testing.T) {
	l := fakeLab(t, 3)
	l.asks("c", putOf("x", "1"), wire.Reply{Index: 2}, nil)
	open := l.history.called("c", &wire.Request{Op: wire.OpPut, Key: []byte("x"), Value: []byte("2")})
	_ = open // nobody hears of it any more
	again := func() *recorder {
		t.Helper()
		l.history.flush()
		old := l.history
		l.run++
		if err := l.startHistory(false); err != nil {
			t.Fatal(err)
		}
		old.file.Close()
		return l.history
	}
	again()
	l.asks("c", getOf("x"), wire.Reply{Found: true, Value: []byte("2"), Index: 3}, nil)
	l.history.judge(false)
	if r := l.history.report(); r.Verdict != check.VerdictOK || r.Judged != 3 || r.Lost != 1 {
		t.Errorf("%+v", r)
	}
	again()
	l.asks("c", getOf("x"), wire.Reply{Found: true, Value: []byte("1"), Index: 3}, nil)
	l.history.judge(false)
	if r := l.history.report(); r.Verdict != check.VerdictViolated {
		t.Errorf("%+v", r)
	}
	again()
	if v := l.status().Violations; len(v) != 2 || !strings.Contains(v[1].Message, "before this lab was taken up again") {
		t.Errorf("%+v", v)
	}

	// Whatever is in the file's place, the lab begins.
	if err := os.WriteFile(l.dir.history(), []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	again()
	l.asks("c", getOf("x"), wire.Reply{Found: true, Value: []byte("7"), Index: 3}, nil)
	l.history.judge(false)
	if r := l.history.report(); r.Verdict != check.VerdictOK || r.Judged != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(l.dir.historyDamaged()); err != nil {
		t.Error(err)
	}
}

// TestHistoryFileIsBounded writes more than two files hold, and reads back what they hold.
func TestHistoryFileIsBounded(t *testing.T) {
	l := fakeLab(t, 3)
	l.history.max = 256 << 10
	long := l.history.called("slow", &wire.Request{Op: wire.OpPut, Key: []byte("k1"), Value: []byte("slow")})
	n := 0
	for ; n < 20_000; n++ {
		l.asks("c", putOf(fmt.Sprint("k", n%10), fmt.Sprint(n)), wire.Reply{Index: 2}, nil)
		if n%500 == 0 {
			l.history.flush()
			l.history.judge(false)
		}
	}
	l.history.ended(long, &wire.Reply{Index: 5}, nil)
	l.history.flush()
	for _, path := range []string{l.dir.history(), l.dir.historyOld()} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 300<<10 {
			t.Errorf("%s has %d bytes", path, info.Size())
		}
	}
	r, err := readHistory(l.dir.historyOld(), l.dir.history())
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	report := r.History.Report()
	if report.Verdict != check.VerdictOK || report.Judged < 1000 || r.Runs[0].Before == 0 {
		t.Errorf("%+v\n%+v", report, r.Runs)
	}
	if want := r.Runs[0].Before + uint64(len(r.Operations)); want != uint64(n+1) {
		t.Errorf("the files tell of %d operations, there were %d", want, n+1)
	}
}

func TestHistoriesThatCannotBeRead(t *testing.T) {
	l := fakeLab(t, 3)
	l.asks("c", putOf("x", "1"), wire.Reply{Index: 2}, nil)
	l.history.flush()
	whole, err := os.ReadFile(l.dir.history())
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func([]byte) []byte) []byte { return f(append([]byte(nil), whole...)) }
	version := change(func(b []byte) []byte { b[16] = 9; return b })
	tests := []struct {
		name string
		data []byte
		code int
		says string
	}{
		{"empty", nil, ExitUsage, "the file is empty"},
		{"another file", []byte("{\"schema\": 1, \"and\": \"more\"}"), ExitUsage, "does not begin as a history does"},
		{"a flipped bit in the header", version, ExitFailed, "damaged at offset 20"},
		{"a flipped bit", change(func(b []byte) []byte { b[len(b)-3] ^= 1; return b }), ExitFailed, "is damaged at offset"},
		{"a record is missing", change(func(b []byte) []byte { return append(b[:24], b[24+8+int(b[24]):]...) }), ExitFailed, "damaged at offset 24"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir() + "/history"
			if err := os.WriteFile(path, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := readHistory(path)
			var e *Error
			if !errors.As(err, &e) || e.Code != tt.code || !strings.Contains(e.Message, tt.says) || !strings.Contains(e.Message, path) || e.Hint == "" {
				t.Errorf("%+v, want code %d and %q", err, tt.code, tt.says)
			}
		})
	}
	// Cut short it is what a process that was killed leaves behind.
	path := t.TempDir() + "/history"
	if err := os.WriteFile(path, whole[:len(whole)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := readHistory(path)
	if err != nil || r.Torn == 0 || len(r.Operations) != 1 {
		t.Errorf("%v, %+v", err, r)
	}
}
