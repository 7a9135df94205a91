package kv

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func put(key, value string) Command {
	return Command{Op: wire.OpPut, Key: []byte(key), Value: []byte(value)}
}
func get(key string) Command { return Command{Op: wire.OpGet, Key: []byte(key)} }
func del(key string) Command { return Command{Op: wire.OpDel, Key: []byte(key)} }
func cas(key, old, value string) Command {
	return Command{Op: wire.OpCAS, Key: []byte(key), Old: []byte(old), Value: []byte(value)}
}
func incr(key string) Command { return Command{Op: wire.OpIncr, Key: []byte(key)} }

// as makes a command the seq-th of a session.
func (t *tape) as(session, seq, acked uint64, c Command) Result {
	c.Session, c.Seq, c.Acked = session, seq, acked
	return t.apply(c)
}

// tape applies commands one after the other, as the entries of term 7.
type tape struct {
	*Store
	index raft.Index
}

func (t *tape) apply(c Command) Result {
	t.index++
	return t.Apply(t.index, 7, AppendCommand(nil, &c))
}

func TestOperations(t *testing.T) {
	const most = "9223372036854775807"
	steps := []struct {
		command Command
		want    Result // Index and Term aside
	}{
		{get("x"), Result{}},
		{put("x", "1"), Result{}},
		{get("x"), Result{Found: true, Value: []byte("1")}},
		{put("x", ""), Result{}},
		{get("x"), Result{Found: true}},
		{del("x"), Result{Found: true}},
		{del("x"), Result{}},
		{get("x"), Result{}},

		{cas("flag", "", "on"), Result{Code: wire.CodeFailed, Error: `"flag" does not exist, so it is not ""`}},
		{put("flag", "off"), Result{}},
		{cas("flag", "on", "off"), Result{Code: wire.CodeFailed, Error: `"flag" is "off", not "on"`}},
		{cas("flag", "off", "on"), Result{}},
		{get("flag"), Result{Found: true, Value: []byte("on")}},

		{incr("n"), Result{Value: []byte("1")}},
		{incr("n"), Result{Value: []byte("2")}},
		{get("n"), Result{Found: true, Value: []byte("2")}},
		{incr("flag"), Result{Code: wire.CodeFailed, Error: `"flag" is "on", which is no integer of 64 bits`}},
		{put("n", "-1"), Result{}},
		{incr("n"), Result{Value: []byte("0")}},
		{put("n", most), Result{}},
		{incr("n"), Result{Code: wire.CodeFailed, Error: `"n" is 9223372036854775807, the largest there is`}},
		{put("n", most+"0"), Result{}},
		{incr("n"), Result{Code: wire.CodeFailed, Error: `"n" is "92233720368547758070", which is no integer of 64 bits`}},
		{put("n", strings.Repeat("1", 1000)), Result{}},
		{incr("n"), Result{Code: wire.CodeFailed, Error: `"n" is "` + strings.Repeat("1", 61) + `...", which is no integer of 64 bits`}},
		{put("n", "\x1b[2J"), Result{}},
		{incr("n"), Result{Code: wire.CodeFailed, Error: `"n" is "\x1b[2J", which is no integer of 64 bits`}},
	}
	s := tape{Store: New()}
	for i, step := range steps {
		want := step.want
		want.Index, want.Term = raft.Index(i+1), 7
		if got := s.apply(step.command); !reflect.DeepEqual(got, want) {
			t.Errorf("step %d, %s: got %+v, want %+v", i+1, Describe(AppendCommand(nil, &step.command)), got, want)
		}
	}
}

func TestPairsAreSortedAndKnowTheirIndex(t *testing.T) {
	s := tape{Store: New()}
	for _, c := range []Command{put("b", "1"), put("a", "1"), put("c", "1"), put("b", "2"), del("c"), incr("n")} {
		s.apply(c)
	}
	want := []wire.Pair{{Key: "a", Value: "1", Index: 2}, {Key: "b", Value: "2", Index: 4}, {Key: "n", Value: "1", Index: 6}}
	if got := s.Pairs(); !reflect.DeepEqual(got, want) {
		t.Errorf("Pairs = %v, want %v", got, want)
	}
	if v, i, ok := s.Get([]byte("b")); string(v) != "2" || i != 4 || !ok {
		t.Errorf("Get(b) = %q, %d, %v", v, i, ok)
	}
	if _, _, ok := s.Get([]byte("c")); ok {
		t.Error("a deleted key is found")
	}
	if len(s.pairs.base) != 3 {
		t.Errorf("%d keys, want 3", len(s.pairs.base))
	}
}

// thesis §6.3: "if it receives a command whose serial number has already been
// executed, it responds immediately without re-executing the request".
func TestARetryIsAppliedOnceAndAnsweredTheSame(t *testing.T) {
	s := tape{Store: New()}
	first := s.as(77, 1, 0, incr("n"))
	again := s.as(77, 1, 0, incr("n"))
	if !again.Repeated || first.Repeated {
		t.Errorf("Repeated = %v then %v, want false then true", first.Repeated, again.Repeated)
	}
	again.Repeated = false
	if !reflect.DeepEqual(first, again) || string(again.Value) != "1" || again.Index != 1 {
		t.Errorf("the retry is answered %+v, the first %+v", again, first)
	}
	// A refusal is an answer too: what made it may be gone when the retry comes.
	refused := s.as(77, 2, 0, cas("flag", "off", "on"))
	s.as(0, 0, 0, put("flag", "off"))
	if again := s.as(77, 2, 0, cas("flag", "off", "on")); again.Code != wire.CodeFailed || again.Error != refused.Error {
		t.Errorf("a refused cas is answered %+v on retry", again)
	}
}

// After a change of leader, pipelined commands and retries of them reach the
// log in any order: the highest number seen says nothing of the lower ones.
func TestPipelinedCommandsMayComeInAnyOrder(t *testing.T) {
	s := tape{Store: New()}
	s.as(77, 1, 0, incr("n"))
	for _, seq := range []uint64{5, 3, 5, 4, 3, 2, 4, 2, 5} {
		s.as(77, seq, 1, incr("n"))
	}
	if v, _, _ := s.Get([]byte("n")); string(v) != "5" {
		t.Errorf("five counts in any order, some of them twice, give %s", v)
	}
}

func TestSessionsOpenWithTheirFirstCommand(t *testing.T) {
	s := tape{Store: New()}
	r := s.as(77, 2, 0, put("x", "1"))
	if want := "session 77 is not known, and command 2 is not its first"; r.Code != wire.CodeNoSession || r.Error != want {
		t.Errorf("the second command of an unknown session: %+v, want code %d, %q", r, wire.CodeNoSession, want)
	}
	if len(s.pairs.base) != 0 {
		t.Error("it took effect")
	}
	s.as(77, 1, 0, put("x", "1"))
	if r := s.as(77, 2, 0, put("x", "2")); r.Code != wire.CodeOK || r.Repeated {
		t.Errorf("the same once the session is open: %+v", r)
	}
}

func TestAnswersAreKeptUntilAcknowledged(t *testing.T) {
	s := tape{Store: New()}
	for seq := uint64(1); seq <= 3; seq++ {
		s.as(77, seq, 0, incr("n"))
	}
	s.as(77, 4, 2, incr("n"))
	if r := s.as(77, 3, 2, incr("n")); !r.Repeated {
		t.Errorf("command 3, not acknowledged, is answered %+v", r)
	}
	r := s.as(77, 2, 0, incr("n"))
	if want := "the client has had the answer of command 2: it acknowledged all up to 2"; r.Code != wire.CodeBad || r.Error != want {
		t.Errorf("command 2, acknowledged, is answered %+v, want %q", r, want)
	}
	if v, _, _ := s.Get([]byte("n")); string(v) != "4" {
		t.Errorf("four counts give %s", v)
	}
	if n := len(s.sessions.byID[77].kept()); n != 2 || s.sessions.answers != 2 {
		t.Errorf("%d answers kept, want those of 3 and 4", n)
	}
}

func TestASessionKeepsABoundedNumberOfAnswers(t *testing.T) {
	s := tape{Store: New()}
	s.as(77, 1, 0, incr("n"))
	if r := s.as(77, MaxAhead, 0, incr("n")); r.Code != wire.CodeOK {
		t.Errorf("as far ahead as allowed: %+v", r)
	}
	r := s.as(77, MaxAhead+1, 0, incr("n"))
	if want := "command 16385 is more than 16384 ahead of 0, the last acknowledged"; r.Code != wire.CodeBad || r.Error != want {
		t.Errorf("farther: %+v, want %q", r, want)
	}
	if r := s.as(77, math.MaxUint64, 0, incr("n")); r.Code != wire.CodeBad {
		t.Errorf("as far as can be: %+v", r)
	}
	for seq := uint64(2); seq < 5000; seq++ {
		s.as(77, seq, 0, incr("n"))
	}
	s.as(77, MaxAhead+1, MaxAhead, incr("n"))
	s.as(77, MaxAhead+2, MaxAhead+1, incr("n"))
	if c := cap(s.sessions.byID[77].answers); c > 2*keptAnswers {
		t.Errorf("room for %d answers is kept when all are acknowledged", c)
	}
}

// Numbers that were never used take no memory, however far apart a client's are.
func TestASessionHoldsMemoryForGivenAnswersOnly(t *testing.T) {
	s := tape{Store: New()}
	for seq := uint64(1); seq <= MaxAhead; seq += MaxAhead / 4 {
		if r := s.as(77, seq, 0, incr("n")); r.Code != wire.CodeOK {
			t.Fatalf("command %d: %+v", seq, r)
		}
	}
	if n, c := len(s.sessions.byID[77].kept()), cap(s.sessions.byID[77].answers); n != 4 || c > 8 {
		t.Errorf("after 4 commands it keeps %d answers and has room for %d", n, c)
	}
	// From the last one back, each belongs before all others.
	for seq := uint64(MaxAhead); seq > MaxAhead-100; seq-- {
		s.as(77, seq, 0, incr("n"))
	}
	for seq := uint64(MaxAhead - 99); seq <= MaxAhead; seq++ {
		if r := s.as(77, seq, 0, incr("n")); !r.Repeated {
			t.Errorf("command %d is applied again", seq)
		}
	}
}

// What is kept of all sessions together is bounded, whatever each may keep.
func TestTheNumberOfAnswersIsBounded(t *testing.T) {
	s := tape{Store: newStore(100, 10)}
	for id := uint64(1); id <= 3; id++ {
		for seq := uint64(1); seq <= 4; seq++ {
			s.as(id, seq, 0, incr("n"))
		}
	}
	if n := s.sessions.answers; n != 8 {
		t.Errorf("%d answers are kept, want the 8 of two sessions", n)
	}
	for id, want := range map[uint64]wire.Code{1: wire.CodeNoSession, 2: wire.CodeOK, 3: wire.CodeOK} {
		if r := s.as(id, 4, 3, incr("n")); r.Code != want {
			t.Errorf("session %d: code %d, want %d", id, r.Code, want)
		}
	}
	if n := s.sessions.answers; n != 2 {
		t.Errorf("%d answers are kept when all but two are acknowledged", n)
	}
}

// thesis §6.3: a session that was forgotten is not opened again by a retry of
// its first command, or that would take effect twice.
func TestAForgottenSessionIsNotOpenedAgain(t *testing.T) {
	s := tape{Store: newStore(2, maxAnswers)}
	first := func(session uint64, since raft.Index) Result {
		c := incr("n")
		c.Session, c.Seq, c.Since = session, 1, since
		return s.apply(c)
	}
	for session := uint64(1); session <= 3; session++ {
		if r := first(session, 0); r.Code != wire.CodeOK {
			t.Fatalf("session %d: %+v", session, r)
		}
	}
	r := first(1, 0)
	const want = "session 1 is not known, but may have been: sessions last used up to entry 1 are forgotten, and it may be as old as entry 1"
	if r.Code != wire.CodeNoSession || r.Index != 4 || r.Error != want {
		t.Errorf("a retry of the first command of a forgotten session: %+v, want %q", r, want)
	}
	if v, _, _ := s.Get([]byte("n")); string(v) != "3" {
		t.Errorf("three counts give %s", v)
	}
	// So is another one whose client knows of nothing as new: it opens the next
	// one knowing of the refusal.
	if r := first(4, 0); r.Code != wire.CodeNoSession || r.Index != 5 {
		t.Errorf("a new session that may be an old one: %+v", r)
	}
	if r := first(5, 5); r.Code != wire.CodeOK {
		t.Errorf("a session that is certainly new: %+v", r)
	}
	// Session 2 was forgotten for it, last used by entry 2.
	if r := first(6, 1); r.Code != wire.CodeNoSession {
		t.Errorf("a session that may be as old as entry 2: %+v", r)
	}
	if r := first(7, 2); r.Code != wire.CodeOK {
		t.Errorf("a session that cannot be older than entry 3: %+v", r)
	}
}

// DESIGN §5, the unsafe rule no-sessions.
func TestWithoutSessionsARepeatedCommandIsAppliedAgain(t *testing.T) {
	s := tape{Store: New()}
	s.SetUnsafe(raft.UnsafeNoSessions)
	s.as(77, 1, 0, incr("n"))
	if r := s.as(77, 1, 0, incr("n")); string(r.Value) != "2" || r.Repeated {
		t.Errorf("a repeated count: %+v, want 2", r)
	}
	s.SetUnsafe(raft.UnsafeNoNoop)
	s.as(77, 1, 0, incr("n"))
	if r := s.as(77, 1, 0, incr("n")); string(r.Value) != "3" || !r.Repeated {
		t.Errorf("with another rule switched off, a repeated count: %+v, want 3 again", r)
	}
}

// The one used least goes, and the same one on every node.
func TestTheNumberOfSessionsIsBounded(t *testing.T) {
	s := tape{Store: newStore(3, maxAnswers)}
	for id := uint64(1); id <= 3; id++ {
		s.as(id, 1, 0, put("x", "1"))
	}
	s.as(1, 2, 0, put("x", "1"))
	s.as(4, 1, 0, put("x", "1"))
	for id, want := range map[uint64]wire.Code{1: wire.CodeOK, 2: wire.CodeNoSession, 3: wire.CodeOK, 4: wire.CodeOK} {
		if r := s.as(id, 3, 0, put("x", "1")); r.Code != want {
			t.Errorf("session %d after a fourth of at most three: code %d, want %d", id, r.Code, want)
		}
	}
	if len(s.sessions.byID) != 3 {
		t.Errorf("%d sessions, want 3", len(s.sessions.byID))
	}
}

func TestGetsHaveNoEffectOnSessions(t *testing.T) {
	s := tape{Store: New()}
	if r := s.as(77, 9, 8, get("x")); r.Code != wire.CodeOK {
		t.Errorf("a get of an unknown session: %+v", r)
	}
	s.as(77, 1, 0, put("x", "1"))
	s.as(77, 9, 8, get("x"))
	if r := s.as(77, 2, 0, put("x", "2")); r.Code != wire.CodeOK {
		t.Errorf("command 2 after a get that says 8 are acknowledged: %+v", r)
	}
}

func TestTheStoreKeepsNoMemoryOfTheLog(t *testing.T) {
	s := New()
	c := put("key", "value")
	c.Session, c.Seq = 1, 1
	data := AppendCommand(nil, &c)
	s.Apply(1, 1, data)
	for i := range data {
		data[i] = 'z'
	}
	if v, _, ok := s.Get([]byte("key")); !ok || string(v) != "value" {
		t.Errorf("after the entry's memory was used again, key is %q, found %v", v, ok)
	}
}

func TestAnswersDoNotChangeAfterwards(t *testing.T) {
	s := tape{Store: New()}
	s.apply(put("x", "old"))
	r := s.apply(get("x"))
	s.apply(put("x", "new"))
	if string(r.Value) != "old" {
		t.Errorf("an earlier answer became %q", r.Value)
	}
}

func TestWhatIsNoCommandHasNoEffect(t *testing.T) {
	whole := AppendCommand(nil, &Command{Op: wire.OpPut, Session: 300, Seq: 2, Key: []byte("x"), Value: []byte("1")})
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "not a command: it is empty"},
		{"operation 0", append([]byte{0}, whole[1:]...), "not a command: there is no operation 0"},
		{"operation of another time", append([]byte{99}, whole[1:]...), "not a command: there is no operation 99"},
		{"cut", whole[:len(whole)-1], "not a command: 9 bytes do not fit a put"},
		{"only the operation", whole[:1], "not a command: 1 bytes do not fit a put"},
		{"something behind", append(bytes.Clone(whole), 0), "not a command: 11 bytes do not fit a put"},
		{"a number longer than need be", []byte{2, 0x80, 0, 0, 0, 1, 'x', 0, 0}, "not a command: 9 bytes do not fit a get"},
		{"a number too large", append([]byte{2}, bytes.Repeat([]byte{0xff}, 20)...), "not a command: 21 bytes do not fit a get"},
		{"a first command without its since", []byte{2, 7, 1, 0, 1, 'x', 0, 0}, "not a command: 8 bytes do not fit a get"},
		{"a key of 4 GiB", []byte{2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 'x'}, "not a command: 10 bytes do not fit a get"},
	}
	s := New()
	for _, tt := range tests {
		r := s.Apply(1, 1, tt.data)
		if r.Code != wire.CodeBad || r.Error != tt.want {
			t.Errorf("%s: %+v, want %q", tt.name, r, tt.want)
		}
		if got := Describe(tt.data); got != tt.want {
			t.Errorf("Describe of %s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if len(s.pairs.base) != 0 || len(s.sessions.byID) != 0 {
		t.Error("some took effect")
	}
}

func TestDescribe(t *testing.T) {
	long := strings.Repeat("v", MaxValue)
	key := strings.Repeat("k", MaxKey)
	tests := []struct {
		command Command
		want    string
	}{
		{put("x", "1"), "put x=1"},
		{put("x", ""), "put x="},
		{get("x"), "get x"},
		{del("x"), "del x"},
		{cas("flag", "off", "on"), "cas flag off -> on"},
		{incr("n"), "incr n"},
		{put("name", "Zoë 東京"), "put name=Zoë 東京"},
		{put("a\nb", "\x1b[2J\a\x00\\"), `put a\nb=\x1b[2J\a\x00\\`},
		{put("x", "\xff\xfe\u202e\u009b"), `put x=\xff\xfe\u202e\u009b`},
		{put("x", long), "put x=" + long[:1024-6-3] + "..."},
		{put(key, "1"), "put " + key[:1024-4-3] + "..."},
		{get(key), "get " + key[:1024-4-3] + "..."},
		{cas("x", long, "1"), "cas x " + long[:340-3] + "... -> 1"},
		{cas("x", long, long), "cas x " + long[:340-3] + "... -> " + long[:1024-6-340-4-3] + "..."},
	}
	for _, tt := range tests {
		got := Describe(AppendCommand(nil, &tt.command))
		if got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
		if len(got) > describeLimit {
			t.Errorf("%d bytes: %.40q…", len(got), got)
		}
	}
}

func TestValidateRequestSaysWhatIsWrong(t *testing.T) {
	good := put("x", "1")
	good.Session, good.Seq = 1, 1
	change := func(f func(r *wire.Request)) wire.Request {
		r := good
		f(&r)
		return r
	}
	tests := []struct {
		request wire.Request
		want    string // empty: nothing
	}{
		{good, ""},
		{get("x"), ""},
		{change(func(r *wire.Request) { r.Key, r.Value = make([]byte, MaxKey), make([]byte, MaxValue) }), ""},
		{change(func(r *wire.Request) { r.Op, r.Read, r.Session, r.Seq = wire.OpGet, wire.ReadStale, 0, 0 }), ""},
		{change(func(r *wire.Request) { r.Acked, r.Seq = 5, 5+MaxAhead }), ""},
		{change(func(r *wire.Request) { r.Op, r.Read, r.Session, r.Seq = wire.OpGet, wire.ReadLease, 0, 0 }), ""},
		{change(func(r *wire.Request) { r.Session, r.Since = math.MaxUint64, math.MaxUint64 }), ""},
		{change(func(r *wire.Request) { r.Op = 0 }), "there is no operation 0"},
		{change(func(r *wire.Request) { r.Op = 6 }), "there is no operation 6"},
		{change(func(r *wire.Request) { r.Key = nil }), "put: the key is empty"},
		{change(func(r *wire.Request) { r.Key = make([]byte, MaxKey+1) }), "put: a key of 1025 bytes: the limit is 1024"},
		{change(func(r *wire.Request) { r.Value = make([]byte, MaxValue+1) }), "put: a value of 1048577 bytes: the limit is 1048576"},
		{change(func(r *wire.Request) { r.Op, r.Old = wire.OpCAS, make([]byte, MaxValue+1) }), "cas: an old value of 1048577 bytes: the limit is 1048576"},
		{change(func(r *wire.Request) { r.Op, r.Read = wire.OpGet, 4 }), "get: there is no read 4"},
		{change(func(r *wire.Request) { r.Read = wire.ReadStale }), "put: a stale read is for a get only"},
		{change(func(r *wire.Request) { r.Session = 0 }), "put: a write needs a session, or a retry would count twice"},
		{change(func(r *wire.Request) { r.Op, r.Seq = wire.OpIncr, 0 }), "incr: sequence numbers start at 1, this one is 0"},
		{change(func(r *wire.Request) { r.Op, r.Acked = wire.OpDel, 1 }), "del: sequence number 1, but all up to 1 are acknowledged"},
		{change(func(r *wire.Request) { r.Acked, r.Seq = 5, 6+MaxAhead }), "put: sequence number 16390 is 16385 ahead of what is acknowledged: the limit is 16384"},
	}
	for _, tt := range tests {
		got := ""
		if err := ValidateRequest(&tt.request); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
		if tt.want == "" {
			if n := len(AppendCommand(nil, &tt.request)); n > len(tt.request.Key)+len(tt.request.Value)+len(tt.request.Old)+CommandOverhead {
				t.Errorf("its command takes %d bytes, more than CommandOverhead allows for", n)
			}
		}
	}
}

func FuzzDecodeCommand(f *testing.F) {
	for _, c := range []Command{put("x", "1"), get("x"), del("x"), cas("flag", "off", "on"), incr("n"),
		{Op: wire.OpPut, Session: math.MaxUint64, Seq: 1 << 20, Acked: 1<<20 - 1, Key: []byte("k"), Value: make([]byte, 300)},
		{Op: wire.OpPut, Session: 7, Seq: 1, Since: 1 << 40, Key: []byte("k")}} {
		f.Add(AppendCommand(nil, &c))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Command
		if text := Describe(data); len(text) > describeLimit || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("described as %q", text)
		}
		if err := DecodeCommand(data, &c); err != nil {
			return
		}
		if again := AppendCommand(nil, &c); !bytes.Equal(again, data) {
			t.Errorf("%x decodes to %+v, which encodes to %x", data, c, again)
		}
	})
}
