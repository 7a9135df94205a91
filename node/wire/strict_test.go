package wire

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// list builds a frame without its length bytes out of ready elements.
func list(elements ...[]byte) []byte {
	return append(appendArray(nil, len(elements)), bytes.Join(elements, nil)...)
}

func u(v uint64) []byte { return appendUint(nil, v) }

// head is the header's five elements of a frame of this kind.
func head(k Kind, more ...[]byte) [][]byte {
	return append([][]byte{u(uint64(k)), u(1), u(2), u(3), u(4)}, more...)
}

// sealed is a frame of list with a checksum behind it, if it is of a kind that
// has one, as far as a frame can be told from its first bytes.
func sealed(frame []byte) []byte {
	const fixed = 0x90
	if len(frame) < 2 || frame[0] < fixed+headerElements || frame[0] >= fixed+15 || frame[1] < 10 || frame[1] >= 30 && frame[1] != 99 {
		return frame
	}
	frame = append([]byte{frame[0] + 1}, frame[1:]...)
	return sealMessage(append(make([]byte, 4), frame...), 0)[4:]
}

func str(s string) []byte { return appendString(nil, s) }
func bin(s string) []byte { return appendBytes(nil, []byte(s)) }

var yes = []byte{0xc3}

// The sentences of everything a frame can have wrong with it.
func TestBadFramesAreRefusedInWords(t *testing.T) {
	entry := list(u(1), u(1), bin("x"))
	three := bin(string(raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}.AppendTo(nil)))
	tests := []struct {
		name  string
		frame []byte
		want  string
	}{
		// The frame as a whole.
		{"empty", nil, "frame: the frame ends inside it at byte 0"},
		{"a map", []byte{0x81, 1, 2}, "frame: not an array at byte 0"},
		{"half a header", list(u(16), u(1)), "frame: too few elements at byte 0"},
		{"ends in the header", []byte{0x99, 16, 1, 2, 3, 4, 5, 6, 0xcd, 1, 0}[:10], "heartbeat frame: leaderCommit: the frame ends inside it at byte 8"},
		{"claims four billion elements", []byte{0xdd, 0xff, 0xff, 0xff, 0xff, 16, 1, 2, 3, 4}, "frame: the frame ends inside it at byte 0"},
		{"bytes after its end", append(list(head(KindVoteReply, yes)...), 0), "vote-reply frame: bytes after its end at byte 7"},
		{"kind is a string", list(str("vote"), u(1), u(2), u(3), u(4)), "frame: kind: not an unsigned integer at byte 1"},
		{"kind too large", list(u(256), u(1), u(2), u(3), u(4)), "frame: kind: out of range at byte 1"},
		{"kind of nothing", list(head(99)...), "kind(99) frame: kind: no message of Raft at byte 1"},
		{"negative term", list(u(16), u(1), u(2), u(3), []byte{0xd0, 0xff}, u(1), u(1), u(1), u(1)), "heartbeat frame: term: out of range at byte 5"},
		{"small negative term", list(u(16), u(1), u(2), u(3), []byte{0xff}, u(1), u(1), u(1), u(1)), "heartbeat frame: term: not an unsigned integer at byte 5"},
		{"nil where a number belongs", list(head(KindVote, []byte{0xc0}, u(1), yes)...), "vote frame: lastLogIndex: not an unsigned integer at byte 6"},

		// Bodies.
		{"vote without a term", list(head(KindVote, u(1), yes)...), "vote frame: too few elements at byte 0"},
		{"granted is a number", list(head(KindVoteReply, u(1))...), "vote-reply frame: granted: not a boolean at byte 6"},
		{"append without entries", list(head(KindAppend, u(1), u(1), u(1), u(1), list())...), "append frame: entries: too few elements at byte 10"},
		{"append with a number for entries", list(head(KindAppend, u(1), u(1), u(1), u(1), u(1))...), "append frame: entries: not an array at byte 10"},
		{"append claims more entries than fit", list(head(KindAppend, u(1), u(1), u(1), u(1), append([]byte{0xdc, 0, 9}, entry...))...), "append frame: entries: the frame ends inside it at byte 10"},
		{"entries at the end of all indexes", list(head(KindAppend, u(math.MaxUint64), u(1), u(1), u(1), list(entry))...), "append frame: prevLogIndex: out of range at byte 18"},
		{"entry of two elements", list(head(KindAppend, u(1), u(1), u(1), u(1), list(list(u(1), u(1)), entry, entry))...), "append frame: entry: too few elements at byte 11"},
		{"entry's data is a string", list(head(KindAppend, u(1), u(1), u(1), u(1), list(list(u(1), u(1), str("x"))))...), "append frame: entry's data: not bytes at byte 14"},
		{"entry's data is longer than the frame", list(head(KindAppend, u(1), u(1), u(1), u(1), list(list(u(1), u(1), []byte{0xc6, 0xff, 0xff, 0xff, 0xff})))...), "append frame: entry's data: the frame ends inside it at byte 14"},
		{"key is a number", list(head(KindRequest, u(1), u(0), u(0), u(0), u(0), u(0), u(9), bin(""), bin(""))...), "request frame: key: not bytes at byte 12"},
		{"leader's address is bytes", list(head(KindReply, u(1), u(0), yes, bin(""), u(0), bin("x"), str(""))...), "reply frame: leaderAddr: not a string at byte 12"},

		{"snapshot without bytes", list(head(KindSnapshot, u(1), u(1), three, u(0), yes, u(0))...), "snapshot frame: too few elements at byte 0"},
		{"snapshot of nobody", list(head(KindSnapshot, u(1), u(1), bin(""), u(0), yes, u(0), bin("x"))...), "snapshot frame: lastConfig: not a configuration: 0 bytes do not fit one at byte 8"},
		{"snapshot of no voter", list(head(KindSnapshot, u(1), u(1), bin("\x00\x00\x00"), u(0), yes, u(0), bin("x"))...), "snapshot frame: lastConfig: not a configuration: no voter is left at byte 8"},
		{"snapshot of no voter and no entry", list(head(KindSnapshot, u(0), u(0), bin("\x00\x00\x00"), u(0), yes, u(0), bin("x"))...), "snapshot frame: lastConfig: not a configuration: no voter is left at byte 8"},
		{"snapshot of four billion voters", list(head(KindSnapshot, u(1), u(1), bin("\xff\xff\xff\xff\x0f"), u(0), yes, u(0), bin("x"))...), "snapshot frame: lastConfig: not a configuration: a list of 4294967295 servers in 5 bytes at byte 8"},
		{"snapshot's configuration is a string", list(head(KindSnapshot, u(1), u(1), str("x"), u(0), yes, u(0), bin("x"))...), "snapshot frame: lastConfig: not bytes at byte 8"},
		{"snapshot's offset is too large for one", list(head(KindSnapshot, u(1), u(1), three, u(1<<63), yes, u(0), bin("x"))...), "snapshot frame: offset: out of range at byte 16"},
		{"snapshot's offset is negative", list(head(KindSnapshot, u(1), u(1), three, []byte{0xd0, 0xff}, yes, u(0), bin("x"))...), "snapshot frame: offset: out of range at byte 16"},
		{"snapshot's bytes are longer than the frame", list(head(KindSnapshot, u(1), u(1), three, u(0), yes, u(0), []byte{0xc6, 0xff, 0xff, 0xff, 0xff})...), "snapshot frame: data: the frame ends inside it at byte 19"},
		{"snapshot's bytes are a number", list(head(KindSnapshot, u(1), u(1), three, u(0), yes, u(0), u(9))...), "snapshot frame: data: not bytes at byte 19"},
		{"snapshot-reply wants a negative offset", list(head(KindSnapshotReply, u(1), u(0), []byte{0xd3, 0xff, 0, 0, 0, 0, 0, 0, 0}, yes, u(0))...), "snapshot-reply frame: next: out of range at byte 8"},
		{"snapshot-reply without a round", list(head(KindSnapshotReply, u(1), u(0), u(0), yes)...), "snapshot-reply frame: too few elements at byte 0"},
		{"timeout-now with half a header", list(u(uint64(KindTimeoutNow)), u(1), u(2), u(3)), "frame: too few elements at byte 0"},
		{"read-index of nothing", list(head(KindReadIndex)...), "read-index frame: too few elements at byte 0"},
		{"read-index-reply without an index", list(head(KindReadIndexReply, u(1))...), "read-index-reply frame: too few elements at byte 0"},

		// Control.
		{"clock is a number", list(head(KindClock, u(1))...), `clock frame: body: msgpack: unexpected code=1 decoding map length at byte 6`},
		{"clock's rate is a string", list(head(KindClock, append([]byte{0x81}, append(str("rate"), str("fast")...)...))...), "clock frame: body: msgpack: invalid code=a4 decoding float32 at byte 6"},
		{"an extension type", list(head(KindOrder, []byte{0xd4, 1, 2})...), "order frame: body: a type that does not belong here at byte 6"},
		{"facts that are not there", list(head(KindReport, append([]byte{0x81}, append(str("facts"), 0xdd, 0xff, 0xff, 0xff, 0xff)...))...), "report frame: body: the frame ends inside it at byte 13"},
		{"nested without end", list(head(KindReport, bytes.Repeat([]byte{0x91}, 1<<20))...), "report frame: body: nested too deep at byte 22"},
		{"more facts than anybody sends", list(head(KindReport, append([]byte{0x81}, append(str("facts"), append(appendArray(nil, 1<<19), bytes.Repeat([]byte{0x80}, 1<<19)...)...)...))...), "report frame: body: too many elements at byte 6"},

		{"a map of more than is there", list(head(KindOrder, []byte{0xdf, 0xff, 0xff, 0xff, 0xff, 1})...), "order frame: body: the frame ends inside it at byte 11"},

		// What is skipped is looked at.
		{"added map cut short", list(head(KindVoteReply, yes, []byte{0x82, 1, 2, 3})...), "vote-reply frame: an added element: the frame ends inside it at byte 8"},
		{"added extension type", list(head(KindVoteReply, yes, []byte{0xc7, 0, 1})...), "vote-reply frame: an added element: a type that does not belong here at byte 7"},
		{"added nothing of msgpack", list(head(KindVoteReply, yes, []byte{0xc1})...), "vote-reply frame: an added element: a type that does not belong here at byte 7"},
		{"added element cut short", list(head(KindVoteReply, yes, []byte{0xda, 0, 9, 'x'})...), "vote-reply frame: an added element: the frame ends inside it at byte 7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := decode(sealed(tt.frame))
			var bad *DecodeError
			if !errors.As(err, &bad) {
				t.Fatalf("decode = %v, want a DecodeError", err)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

// Every frame cut anywhere is refused.
func TestTruncatedFramesAreRefused(t *testing.T) {
	for _, s := range samples() {
		frame := encode(t, s)[4:]
		for n := range min(len(frame), 1000) {
			if _, _, err := decode(frame[:n]); err == nil {
				t.Errorf("%s: its first %d of %d bytes decode", s.name, n, len(frame))
			}
		}
	}
}

// A later version of a body may have more elements, of any type.
func TestAddedElementsAreSkipped(t *testing.T) {
	added := [][]byte{{0xc0}, u(1 << 40), str("new"), bin("new"), list(u(1), list(str("x"))), {0x81, 1, 2}, {0xcb, 1, 2, 3, 4, 5, 6, 7, 8}, {0xe0}, {0xde, 0, 1, 1, 1}, {0xca, 1, 2, 3, 4}, str(strings.Repeat("s", 300)), bin(strings.Repeat("b", 70000))}
	for _, s := range samples() {
		frame := encode(t, s)[4:]
		longer := append([]byte{frame[0] + byte(len(added))}, frame[1:]...)
		if longer[0] > 0x9f {
			longer = append([]byte{0xdc, 0, frame[0]&0x0f + byte(len(added))}, frame[1:]...)
		}
		_, raft := s.body.(raft.Message)
		if raft {
			longer = longer[:len(longer)-checksumBytes]
		}
		longer = append(longer, bytes.Join(added, nil)...)
		if raft {
			longer = sealMessage(append(make([]byte, 4), longer...), 0)[4:]
		}
		id, body, err := decode(longer)
		if err != nil {
			t.Errorf("%s with added elements: %v", s.name, err)
			continue
		}
		if id != s.id || !reflect.DeepEqual(body, s.body) {
			t.Errorf("%s with added elements decodes to %+v, want %+v", s.name, body, s.body)
		}
	}
	entry := list(u(1), u(1), bin("x"), str("new"))
	_, m, err := DecodeMessage(sealed(list(head(KindAppend, u(1), u(1), u(1), u(1), list(entry))...)))
	if err != nil {
		t.Fatalf("an entry with an added element: %v", err)
	}
	want := []raft.Entry{{Index: 2, Term: 1, Kind: raft.EntryCommand, Data: []byte("x")}}
	if got := m.Body.(*raft.AppendEntries).Entries; !reflect.DeepEqual(got, want) {
		t.Errorf("an entry with an added element decodes to %+v, want %+v", got, want)
	}
}

// A field that a later version adds to a control body is skipped.
func TestAddedFieldsAreSkipped(t *testing.T) {
	body := append([]byte{0x82}, append(append(str("verb"), str("log")...), append(str("new"), list(u(1), str("x"))...)...)...)
	var o Order
	if _, err := DecodeControl(list(head(KindOrder, body)...), &o); err != nil || o.Verb != OrderLog {
		t.Errorf("an order with an added field decodes to %+v, %v", o, err)
	}
}

func TestAnotherVersionIsSaidWhateverFollows(t *testing.T) {
	for name, frame := range map[string][]byte{
		"same shape": AppendHello(nil, Header{}, Hello{Version: 4, Role: RoleRaft})[4:],
		"other rest": list(head(KindHello, u(4), str("raft"), list())...),
		"no rest":    list(head(KindHello, u(4))...),
	} {
		_, _, err := DecodeHello(frame)
		var version *VersionError
		if !errors.As(err, &version) || version.Theirs != 4 || version.Ours != Version {
			t.Errorf("%s: %v, want a VersionError", name, err)
			continue
		}
		const want = "the other end speaks version 4 of the wire, this one 3: run the same raftlab on both"
		if err.Error() != want {
			t.Errorf("%s: %q, want %q", name, err, want)
		}
	}
}

func TestFramesOfOtherKindsAreRefused(t *testing.T) {
	reply := AppendReply(nil, &Reply{})[4:]
	if err := DecodeRequest(reply, new(Request)); err == nil || err.Error() != "reply frame: kind: where request belongs at byte 1" {
		t.Errorf("a reply as a request: %v", err)
	}
	if err := DecodeReply(AppendRequest(nil, &Request{})[4:], new(Reply)); err == nil {
		t.Error("a request as a reply decodes")
	}
	if _, _, err := DecodeHello(reply); err == nil {
		t.Error("a reply as a hello decodes")
	}
	if _, _, err := Peek(reply); err == nil {
		t.Error("a reply as a message of Raft is peeked at")
	}
	if _, err := DecodeControl(reply, new(Report)); err == nil || err.Error() != "reply frame: kind: it does not go into a *wire.Report at byte 1" {
		t.Errorf("a reply as a report: %v", err)
	}
}

func TestWhatCannotBeSentIsRefused(t *testing.T) {
	dst := []byte("kept")
	huge := make([]byte, MaxFrame)
	tests := []struct {
		name   string
		append func() ([]byte, error)
		want   string
	}{
		{"a message without a body", func() ([]byte, error) { return AppendMessage(dst, 1, &raft.Message{}) },
			"kind(0) frame: a message with body <nil>"},
		{"entries with a gap", func() ([]byte, error) {
			m := message(1, 2, 3, &raft.AppendEntries{PrevLogIndex: 4, Entries: []raft.Entry{{Index: 5}, {Index: 7}}})
			return AppendMessage(dst, 1, &m)
		}, "append frame: entry 1 of it has index 7 after prevLogIndex 4, want 6"},
		{"entries that fit no frame", func() ([]byte, error) {
			m := message(1, 2, 3, &raft.AppendEntries{Entries: []raft.Entry{{Index: 1, Data: huge}}})
			return AppendMessage(dst, 1, &m)
		}, "a frame of 8388632 bytes: the limit is 8388608"},
		{"a snapshot of nobody", func() ([]byte, error) {
			m := message(1, 2, 3, &raft.InstallSnapshot{Meta: raft.SnapshotMeta{Index: 1, Term: 1}})
			return AppendMessage(dst, 1, &m)
		}, "snapshot frame: its configuration cannot be one: no voter is left"},
		{"a chunk from before the snapshot", func() ([]byte, error) {
			m := message(1, 2, 3, &raft.InstallSnapshot{Offset: -1})
			return AppendMessage(dst, 1, &m)
		}, "snapshot frame: its offset is -1"},
		{"a chunk that fits no frame", func() ([]byte, error) {
			m := message(1, 2, 3, &raft.InstallSnapshot{Data: huge})
			return AppendMessage(dst, 1, &m)
		}, "a frame of 8388631 bytes: the limit is 8388608"},
		{"a chunk wanted from before the snapshot", func() ([]byte, error) {
			m := message(1, 2, 3, &raft.InstallSnapshotReply{Next: -1})
			return AppendMessage(dst, 1, &m)
		}, "snapshot-reply frame: its offsets are 0 and -1"},
		{"a body of another kind", func() ([]byte, error) { return AppendControl(dst, KindOrder, 1, Report{}) },
			"order frame: wire.Report is not its body"},
		{"a body of no kind", func() ([]byte, error) { return AppendControl(dst, 0, 1, "text") },
			"kind(0) frame: string is not its body"},
		{"a dump that fits no frame", func() ([]byte, error) {
			return AppendControl(dst, KindOutcome, 1, Outcome{Pairs: []Pair{{Value: string(huge)}}})
		}, "a frame of 8388721 bytes: the limit is 8388608"},
		{"lists that are too long", func() ([]byte, error) {
			return AppendControl(dst, KindReport, 1, Report{State: &State{Runs: make([]raft.TermRun, maxElements+1)}})
		}, "report frame: lists of 262145 elements together: the limit is 262144"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.append()
			if string(b) != "kept" {
				t.Errorf("dst comes back as %d other bytes", len(b))
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A frame says of a message what the message itself says, without being decoded.
func TestPeekSaysWhatTheMessageSays(t *testing.T) {
	for _, s := range samples() {
		m, ok := s.body.(raft.Message)
		if !ok {
			continue
		}
		h, got, err := Peek(encode(t, s)[4:])
		if want := Summarize(m.Body); err != nil || got != want {
			t.Errorf("%s: Peek = %+v, %v, want %+v", s.name, got, err, want)
		}
		if wantHeader := (Header{KindOf(m.Body), m.From, m.To, s.id, m.Term}); h != wantHeader {
			t.Errorf("%s: header %+v, want %+v", s.name, h, wantHeader)
		}
	}
}

// What runs for every frame of a network at full load makes no garbage.
func TestHotPathsDoNotAllocate(t *testing.T) {
	m := appendOf(64, 290)
	frame, err := AppendMessage(nil, 1, &m)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, len(frame)+4096)
	request := Request{ID: 1, Op: OpPut, Session: 1, Seq: 1, Key: []byte("k"), Value: []byte("v")}
	requestFrame := AppendRequest(nil, &request)
	reply := Reply{ID: 1, Index: 7, Value: []byte("v")}
	replyFrame := AppendReply(nil, &reply)
	reply2 := message(2, 1, 7, &raft.AppendEntriesReply{Success: true, Match: 1_000_001, PrevLogIndex: 1_000_000, Round: 9})
	chunk := message(1, 2, 7, &raft.InstallSnapshot{Meta: raft.SnapshotMeta{Index: 9, Term: 1, Config: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}}, Data: make([]byte, 1<<10)})
	chunkFrame, err := AppendMessage(nil, 1, &chunk)
	if err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(){
		"AppendMessage of a reply": func() { _, _ = AppendMessage(buf, 1, &reply2) },
		"Peek at a snapshot":       func() { _, _, _ = Peek(chunkFrame[4:]) },
		"AppendMessage":            func() { _, _ = AppendMessage(buf, 1, &m) },
		"PeekHeader":               func() { _, _ = PeekHeader(frame[4:]) },
		"Peek":                     func() { _, _, _ = Peek(frame[4:]) },
		"AppendRequest":            func() { AppendRequest(buf, &request) },
		"DecodeRequest":            func() { _ = DecodeRequest(requestFrame[4:], &request) },
		"AppendReply":              func() { AppendReply(buf, &reply) },
		"DecodeReply":              func() { _ = DecodeReply(replyFrame[4:], &reply) },
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	// The body and its entries; their Data is the frame's.
	if n := testing.AllocsPerRun(100, func() { _, _, _ = DecodeMessage(frame[4:]) }); n != 2 {
		t.Errorf("DecodeMessage of 64 entries allocates %v times, want 2", n)
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range samples() {
		h, err := PeekHeader(encode(t, s)[4:])
		if err != nil {
			t.Fatal(err)
		}
		name := h.Kind.String()
		if strings.HasPrefix(name, "kind(") {
			t.Errorf("%s: kind %d has no name", s.name, h.Kind)
		}
		if _, raftFrame := s.body.(raft.Message); h.Kind.Raft() != raftFrame {
			t.Errorf("%s: Raft() = %v", name, h.Kind.Raft())
		}
		seen[name] = true
	}
	if len(seen) != 21 {
		t.Errorf("the samples show %d kinds, want all 21", len(seen))
	}
	if got := Kind(99).String(); got != "kind(99)" {
		t.Errorf("Kind(99) is %q", got)
	}
}

func TestReadsHaveNames(t *testing.T) {
	want := map[Read]string{ReadLog: "log", ReadStale: "stale", ReadIndex: "index", ReadLease: "lease", 4: "read(4)"}
	for read, name := range want {
		if got := read.String(); got != name {
			t.Errorf("Read(%d) is %q, want %q", uint8(read), got, name)
		}
		if got := read.Known(); got != (read <= ReadLease) {
			t.Errorf("%s: Known() = %v", name, got)
		}
	}
}

func TestOperationsHaveNames(t *testing.T) {
	want := map[Op]string{OpPut: "put", OpGet: "get", OpDel: "del", OpCAS: "cas", OpIncr: "incr", 0: "op(0)", 6: "op(6)"}
	for op, name := range want {
		if got := op.String(); got != name {
			t.Errorf("Op(%d) is %q, want %q", uint8(op), got, name)
		}
		if got := op.Known(); got == strings.HasPrefix(name, "op(") {
			t.Errorf("%s: Known() = %v", name, got)
		}
	}
}

// What a body decodes into shares no memory with the frame, whose buffer is used again.
func TestControlBodiesAreTheirOwn(t *testing.T) {
	frame, err := AppendControl(nil, KindOrder, 1, &Order{Verb: OrderDump})
	if err != nil {
		t.Fatal(err)
	}
	var o Order
	if _, err := DecodeControl(frame[4:], &o); err != nil {
		t.Fatal(err)
	}
	clear(frame)
	if o.Verb != OrderDump {
		t.Errorf("the order became %q when its frame's memory was used again", o.Verb)
	}
}

// The frame that takes the most memory to decode for its length: as many facts
// as one may hold, each of two empty maps.
func TestWhatAControlFrameDecodesToIsBounded(t *testing.T) {
	fact := append([]byte{0x81}, append(str("Config"), 0x80)...)
	body := append([]byte{0x81}, append(str("facts"), appendArray(nil, maxElements)...)...)
	frame := list(head(KindReport, append(body, bytes.Repeat(fact, maxElements)...))...)
	if len(frame) > MaxFrame {
		t.Fatalf("it has %d bytes and would not arrive", len(frame))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var r Report
	if _, err := DecodeControl(frame, &r); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(r.Facts) != maxElements || r.Facts[0].Config == nil {
		t.Fatalf("%d facts, the first %+v", len(r.Facts), r.Facts[0])
	}
	const most = 96 << 20
	if took := int64(after.HeapAlloc) - int64(before.HeapAlloc); took > most {
		t.Errorf("a frame of %d bytes takes %d MiB of memory, want at most %d", len(frame), took>>20, most>>20)
	} else {
		t.Logf("a frame of %d MiB takes %d MiB of memory", len(frame)>>20, took>>20)
	}
	runtime.KeepAlive(r)
}
