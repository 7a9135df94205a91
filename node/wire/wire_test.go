package wire

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// A sample is one frame of a kind, as a value and by its name in testdata.
type sample struct {
	name string
	id   uint64
	body any // raft.Message, Request, Reply, helloSample, or a control body
}

type helloSample struct {
	Header Header
	Hello  Hello
}

func message(from, to raft.NodeID, term raft.Term, body raft.Body) raft.Message {
	return raft.Message{From: from, To: to, Term: term, Body: body}
}

// samples holds every kind at least once, with numbers of every width, and
// with lengths at both sides of each limit of msgpack's forms.
func samples() []sample {
	big := bytes.Repeat([]byte("v"), 70_000)
	var run []raft.Entry
	for i := range 20 {
		run = append(run, raft.Entry{Index: raft.Index(44 + i), Term: 7, Kind: raft.EntryCommand, Data: []byte{byte(i)}})
	}
	meta := raft.SnapshotMeta{Index: 43, Term: 6, Config: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}}
	joint := raft.SnapshotMeta{Index: 300, Term: 7, Config: raft.Configuration{Voters: []raft.NodeID{1, 2, 300}, VotersOld: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{5}}}
	return []sample{
		{"hello-raft", 0, helloSample{Header{Kind: KindHello, From: 1, To: 2}, Hello{Version: Version, Role: RoleRaft, Token: "f00dfeed"}}},
		{"hello-client", 0, helloSample{Header{Kind: KindHello}, Hello{Version: Version, Role: RoleClient}}},
		{"vote", 9, message(4, 3, 8, &raft.RequestVote{LastLogIndex: 129, LastLogTerm: 7})},
		{"vote-transfer", 10, message(4, 3, 8, &raft.RequestVote{Transfer: true, LastLogIndex: 129, LastLogTerm: 7})},
		{"prevote", 8, message(4, 3, 8, &raft.RequestVote{PreVote: true, LastLogIndex: 129, LastLogTerm: 7})},
		{"vote-reply-yes", 1, message(3, 4, 8, &raft.RequestVoteReply{Granted: true})},
		{"vote-reply-no", 2, message(3, 4, 8, &raft.RequestVoteReply{})},
		{"prevote-reply", 3, message(3, 4, 7, &raft.RequestVoteReply{PreVote: true, Granted: true})},
		{"heartbeat", 300, message(1, 2, 7, &raft.AppendEntries{PrevLogIndex: 43, PrevLogTerm: 7, LeaderCommit: 42, Round: 12})},
		{"heartbeat-of-long-log", math.MaxUint64, message(1, 255, 1<<32, &raft.AppendEntries{PrevLogIndex: 1 << 40, PrevLogTerm: 65536, LeaderCommit: 1<<40 - 1})},
		{"append-one", 88231, message(1, 3, 7, &raft.AppendEntries{PrevLogIndex: 43, PrevLogTerm: 7, LeaderCommit: 43,
			Entries: []raft.Entry{{Index: 44, Term: 7, Kind: raft.EntryCommand, Data: []byte("cart=4")}}})},
		{"append-noop", 5, message(1, 3, 2, &raft.AppendEntries{Entries: []raft.Entry{{Index: 1, Term: 2}}})},
		{"append-many", 88232, message(1, 3, 7, &raft.AppendEntries{PrevLogIndex: 43, PrevLogTerm: 6, LeaderCommit: 40, Entries: run})},
		{"append-ok", 88233, message(3, 1, 7, &raft.AppendEntriesReply{Success: true, Match: 44, PrevLogIndex: 43, Round: 12})},
		{"append-refused", 88234, message(3, 1, 7, &raft.AppendEntriesReply{PrevLogIndex: 300, ConflictTerm: 4, ConflictIndex: 200})},
		{"snapshot-first", 88235, message(1, 3, 7, &raft.InstallSnapshot{Meta: meta, Data: []byte("raftkv\x00\x01")})},
		{"snapshot-last", 88236, message(1, 3, 7, &raft.InstallSnapshot{Meta: joint, Offset: 1 << 20, Data: []byte("end"), Done: true, Round: 12})},
		{"snapshot-chunk", 88237, message(1, 3, 7, &raft.InstallSnapshot{Meta: meta, Offset: math.MaxInt64, Data: big})},
		{"snapshot-of-nothing", 88238, message(1, 3, 7, &raft.InstallSnapshot{})},
		{"snapshot-reply", 88239, message(3, 1, 7, &raft.InstallSnapshotReply{Index: 43, Next: 1 << 20, Round: 12})},
		{"snapshot-reply-again", 88240, message(3, 1, 7, &raft.InstallSnapshotReply{Index: 43, Offset: 1 << 21, Next: 1 << 20})},
		{"snapshot-reply-done", 88241, message(3, 1, 7, &raft.InstallSnapshotReply{Index: 43, Offset: 1 << 20, Next: 1<<20 + 3, Done: true})},
		{"timeout-now", 88242, message(1, 3, 7, &raft.TimeoutNow{})},
		{"read-index", 88243, message(3, 1, 7, &raft.ReadIndex{ID: 5})},
		{"read-index-reply", 88244, message(1, 3, 7, &raft.ReadIndexReply{ID: 5, Index: 43})},
		{"put", 0, Request{ID: 1, Op: OpPut, Session: 0xfeedbeef12345678, Seq: 1, Key: []byte("x"), Value: []byte("1")}},
		{"put-since", 0, Request{ID: 1, Op: OpPut, Session: 0xfeedbeef12345678, Seq: 1, Since: 300, Key: []byte("x"), Value: []byte("1")}},
		{"put-large", 0, Request{ID: 2, Op: OpPut, Session: 77, Seq: 2000, Acked: 1990, Key: bytes.Repeat([]byte("k"), 256), Value: big}},
		{"get-stale", 0, Request{ID: 3, Op: OpGet, Read: ReadStale, Key: []byte("x")}},
		{"get-index", 0, Request{ID: 3, Op: OpGet, Read: ReadIndex, Key: []byte("x")}},
		{"cas", 0, Request{ID: 4, Op: OpCAS, Session: 77, Seq: 3, Acked: 2, Key: []byte("flag"), Value: []byte("on"), Old: []byte("off")}},
		{"reply-put", 0, Reply{ID: 1, Node: 1, Index: 45, Term: 7}},
		{"reply-get", 0, Reply{ID: 3, Node: 2, Index: 45, Term: 7, Found: true, Value: []byte("1")}},
		{"reply-redirect", 0, Reply{ID: 4, Node: 2, Term: 7, Code: CodeNotLeader, Leader: 1, LeaderAddr: "127.0.0.1:40002"}},
		{"reply-no-session", 0, Reply{ID: 5, Node: 1, Index: 47, Term: 7, Code: CodeNoSession, Error: "session 77 is not known, and command 3 is not its first"}},
		{"reply-failed", 0, Reply{ID: 5, Node: 1, Index: 46, Term: 7, Code: CodeFailed, Found: true, Value: []byte("on"), Error: "flag is \"on\", not \"off\""}},
		{"register", 1, Register{Node: 3, Pid: 4123, RaftAddr: "127.0.0.1:40001", ClientAddr: "127.0.0.1:40002", Notes: []string{"cut a torn tail of 17 bytes"}}},
		{"configure", 1, Configure{Peers: []Peer{{ID: 1, RaftAddr: "127.0.0.1:41001", ClientAddr: "127.0.0.1:40002"}, {ID: 2, RaftAddr: "127.0.0.1:41002"}},
			Heartbeat: 50e6, ElectionMin: 150e6, ElectionMax: 300e6, PreVote: true, CheckQuorum: true, IgnoreVotes: true, Transfer: true,
			Unsafe: []string{"no-sessions"}, Bootstrap: []raft.NodeID{1, 2}, SnapshotBytes: 64 << 20, Seed: 1, Clock: clock.Setting{At: 5e9, Rate: 0.1}, Token: "f00dfeed"}},
		{"clock", 0, clock.Setting{At: 42_312_000_000, Rate: 1, Held: true}},
		{"order", 17, Order{Verb: OrderLog, From: 1, To: 44}},
		{"order-members", 18, Order{Verb: OrderMembers, Members: raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4}, Learners: []raft.NodeID{5}}}},
		{"order-transfer", 19, Order{Verb: OrderTransfer, Node: 2}},
		{"order-step", 21, Order{Verb: OrderStep, Step: &Step{At: 42_313_000_000, Take: TakeMessage, From: 1, Number: 310}}},
		{"outcome-step", 21, Outcome{FirstIndex: 1, LastIndex: 44, Commit: 43, Applied: 43, Waiting: &Waiting{At: 42_313_000_000, Due: 42_400_000_000, Timer: raft.TimerElection,
			Disk: true, Messages: 1, Message: &WaitingMessage{From: 1, Number: 310, Kind: KindAppend, Term: 7, Summary: Summary{PrevIndex: 43, PrevTerm: 7, Commit: 43, Entries: 1}},
			Requests: 1, Request: "put x=1", Sent: []LinkEnd{{To: 1, Number: 178}}}}},
		{"outcome", 17, Outcome{FirstIndex: 1, LastIndex: 44, Commit: 43, Applied: 43, Entries: []LogEntry{{Index: 1, Term: 1, Kind: "noop"}, {Index: 2, Term: 1, Kind: "command", Command: "put x=1"}},
			Pairs: []Pair{{Key: "x", Value: "1", Index: 2}}}},
		{"outcome-snapshot", 20, Outcome{FirstIndex: 44, LastIndex: 44, Commit: 43, Applied: 43, Snapshot: 43, Bytes: 65_536}},
		{"report", 0, Report{
			State: &State{At: 42_312_000_000, Role: raft.Leader, Term: 7, Vote: 1, Leader: 1, Last: 44, LastTerm: 7, Durable: 44, Commit: 43, Applied: 43,
				TimerStart: 42_300_000_000, TimerEnd: 42_350_000_000, Runs: []raft.TermRun{{First: 1, Term: 1}, {First: 42, Term: 7}},
				Votes: []raft.Vote{{From: 3, Granted: true}}, Peers: []raft.Progress{{ID: 2, Next: 41, Match: 40, Inflight: 1, Flow: raft.FlowSnapshot, LastAck: 41_000_000_000, SnapshotIndex: 40, SnapshotOffset: 1 << 20}},
				Base: 40, Config: joint.Config, ConfigIndex: 42, Target: &raft.Configuration{Voters: []raft.NodeID{1, 2}}, TransferTo: 2, LeaseEnd: 42_400_000_000,
				SnapshotIndex: 40, SnapshotTerm: 7, SnapshotBytes: 65_536, Snapshotting: true, Pending: 3, DataBytes: 98_304, Dropped: 2},
			Facts: []Fact{{Kind: raft.EventCommitted, At: 42_290_000_000, Term: 7, Role: raft.Leader, First: 43, Index: 43, LogTerm: 7, Nodes: []raft.NodeID{1, 3, 5}},
				{Kind: raft.EventConfigured, At: 42_300_000_000, Term: 7, Index: 44, Config: &raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}, Reverted: true}}}},
		{"report-damaged", 0, Report{Damaged: []Damaged{{At: 42_300_000_000, From: 1, Frames: 3}}}},
		{"report-fatal", 0, Report{Fatal: "sync of 00000001.wal: input/output error"}},
	}
}

// encode returns the whole frame of a sample.
func encode(t testing.TB, s sample) []byte {
	t.Helper()
	b, err := encodeBody(s.id, s.body)
	if err != nil {
		t.Fatalf("encode %s: %v", s.name, err)
	}
	return b
}

func encodeBody(id uint64, body any) ([]byte, error) {
	switch v := body.(type) {
	case helloSample:
		return AppendHello(nil, v.Header, v.Hello), nil
	case raft.Message:
		return AppendMessage(nil, id, &v)
	case Request:
		return AppendRequest(nil, &v), nil
	case Reply:
		return AppendReply(nil, &v), nil
	}
	return AppendControl(nil, controlKind(body), id, body)
}

// decode reads a frame without its length bytes back into what a sample holds.
func decode(frame []byte) (id uint64, body any, err error) {
	h, err := PeekHeader(frame)
	if err != nil {
		return 0, nil, err
	}
	control := func(v any) (uint64, any, error) {
		h, err := DecodeControl(frame, v)
		return h.ID, reflect.ValueOf(v).Elem().Interface(), err
	}
	switch h.Kind {
	case KindHello:
		h, hello, err := DecodeHello(frame)
		return 0, helloSample{h, hello}, err
	case KindRequest:
		var r Request
		err := DecodeRequest(frame, &r)
		return 0, r, err
	case KindReply:
		var r Reply
		err := DecodeReply(frame, &r)
		return 0, r, err
	case KindRegister:
		return control(new(Register))
	case KindConfigure:
		return control(new(Configure))
	case KindReport:
		return control(new(Report))
	case KindClock:
		return control(new(clock.Setting))
	case KindOrder:
		return control(new(Order))
	case KindOutcome:
		return control(new(Outcome))
	}
	h, m, err := DecodeMessage(frame)
	return h.ID, m, err
}

func TestWhatIsEncodedDecodesToTheSame(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			b := encode(t, s)
			if got, want := int(binary.BigEndian.Uint32(b)), len(b)-4; got != want {
				t.Errorf("length bytes say %d, the frame has %d", got, want)
			}
			id, body, err := decode(b[4:])
			if err != nil {
				t.Fatal(err)
			}
			if id != s.id || !reflect.DeepEqual(body, s.body) {
				t.Errorf("decoded %d %+v, want %d %+v", id, body, s.id, s.body)
			}
		})
	}
}

// oracle writes the elements of a frame's array by msgpack's own Encoder.
func oracle(t *testing.T, elements ...any) []byte {
	t.Helper()
	var out bytes.Buffer
	enc := msgpack.NewEncoder(&out)
	var write func(v any) error
	write = func(v any) error {
		switch v := v.(type) {
		case uint64:
			return enc.EncodeUint(v)
		case bool:
			return enc.EncodeBool(v)
		case string:
			return enc.EncodeString(v)
		case []byte:
			if v == nil {
				v = []byte{}
			}
			return enc.EncodeBytes(v)
		}
		list := v.([]any)
		if err := enc.EncodeArrayLen(len(list)); err != nil {
			return err
		}
		for _, e := range list {
			if err := write(e); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write(elements); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The hot kinds are written by hand. They must be what msgpack's own Encoder
// writes for the same elements, byte for byte.
func TestHandWrittenBytesAreMsgpacks(t *testing.T) {
	for _, s := range samples() {
		var want []byte
		switch v := s.body.(type) {
		case helloSample:
			want = oracle(t, uint64(KindHello), uint64(v.Header.From), uint64(v.Header.To), v.Header.ID, uint64(v.Header.Term),
				uint64(v.Hello.Version), uint64(v.Hello.Role), v.Hello.Token)
		case Request:
			want = oracle(t, uint64(KindRequest), uint64(0), uint64(0), v.ID, uint64(0),
				uint64(v.Op), uint64(v.Read), v.Session, v.Seq, v.Acked, uint64(v.Since), v.Key, v.Value, v.Old)
		case Reply:
			want = oracle(t, uint64(KindReply), uint64(v.Node), uint64(0), v.ID, uint64(v.Term),
				uint64(v.Code), uint64(v.Index), v.Found, v.Value, uint64(v.Leader), v.LeaderAddr, v.Error)
		case raft.Message:
			elements := []any{uint64(KindOf(v.Body)), uint64(v.From), uint64(v.To), s.id, uint64(v.Term)}
			switch b := v.Body.(type) {
			case *raft.RequestVote:
				elements = append(elements, uint64(b.LastLogIndex), uint64(b.LastLogTerm), b.Transfer)
			case *raft.RequestVoteReply:
				elements = append(elements, b.Granted)
			case *raft.AppendEntries:
				elements = append(elements, uint64(b.PrevLogIndex), uint64(b.PrevLogTerm), uint64(b.LeaderCommit), b.Round)
				var entries []any
				for _, e := range b.Entries {
					entries = append(entries, []any{uint64(e.Term), uint64(e.Kind), e.Data})
				}
				if entries != nil {
					elements = append(elements, entries)
				}
			case *raft.AppendEntriesReply:
				elements = append(elements, b.Success, uint64(b.Match), uint64(b.PrevLogIndex), uint64(b.ConflictTerm), uint64(b.ConflictIndex), b.Round)
			case *raft.InstallSnapshot:
				var config []byte
				if b.Meta.Index != 0 {
					config = b.Meta.Config.AppendTo(nil)
				}
				elements = append(elements, uint64(b.Meta.Index), uint64(b.Meta.Term), config, uint64(b.Offset), b.Done, b.Round, b.Data)
			case *raft.InstallSnapshotReply:
				elements = append(elements, uint64(b.Index), uint64(b.Offset), uint64(b.Next), b.Done, b.Round)
			case *raft.TimeoutNow:
			case *raft.ReadIndex:
				elements = append(elements, b.ID)
			case *raft.ReadIndexReply:
				elements = append(elements, b.ID, uint64(b.Index))
			default:
				t.Fatalf("%s: the oracle does not know %T", s.name, b)
			}
			// Another way to the checksum: of the array that has one element more.
			elements = append(elements, uint64(0))
			want = oracle(t, elements...)
			want = want[:len(want)-1]
			sum := crc32.Update(0, crc32.MakeTable(crc32.Castagnoli), want)
			want = append(want, 0xce, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
		default:
			continue
		}
		if got := encode(t, s)[4:]; !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", s.name, clip(got), clip(want))
		}
	}
}

func clip(b []byte) []byte { return b[:min(len(b), 200)] }

func TestPrimitivesAreMsgpacks(t *testing.T) {
	for shift := range 64 {
		for _, v := range []uint64{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			b := appendUint(nil, v)
			if want := oracle(t, v)[1:]; !bytes.Equal(b, want) {
				t.Errorf("appendUint(%d) = %x, want %x", v, b, want)
			}
			c := cursor{b: b}
			if got := c.uint(""); got != v || c.failed || c.off != len(b) {
				t.Errorf("uint(%x) = %d, want %d", b, got, v)
			}
		}
	}
	for _, n := range []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536} {
		s := strings.Repeat("s", n)
		if got, want := appendString(nil, s), oracle(t, s)[1:]; !bytes.Equal(got, want) {
			t.Errorf("string of %d: %x, want %x", n, clip(got), clip(want))
		}
		if got, want := appendBytes(nil, []byte(s)), oracle(t, []byte(s))[1:]; !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %x, want %x", n, clip(got), clip(want))
		}
		var array bytes.Buffer
		if err := msgpack.NewEncoder(&array).EncodeArrayLen(n); err != nil {
			t.Fatal(err)
		}
		if got, want := appendArray(nil, n), array.Bytes(); !bytes.Equal(got, want) {
			t.Errorf("array of %d: %x, want %x", n, got, want)
		}
	}
}

// Another make may write an integer in any form that holds it.
func TestIntegersOfAnyFormAreRead(t *testing.T) {
	encoders := map[string]func(*msgpack.Encoder) error{
		"uint8":  func(e *msgpack.Encoder) error { return e.EncodeUint8(5) },
		"uint16": func(e *msgpack.Encoder) error { return e.EncodeUint16(5) },
		"uint32": func(e *msgpack.Encoder) error { return e.EncodeUint32(5) },
		"uint64": func(e *msgpack.Encoder) error { return e.EncodeUint64(5) },
		"int8":   func(e *msgpack.Encoder) error { return e.EncodeInt8(5) },
		"int16":  func(e *msgpack.Encoder) error { return e.EncodeInt16(5) },
		"int32":  func(e *msgpack.Encoder) error { return e.EncodeInt32(5) },
		"int64":  func(e *msgpack.Encoder) error { return e.EncodeInt64(5) },
	}
	for name, encode := range encoders {
		var b bytes.Buffer
		if err := encode(msgpack.NewEncoder(&b)); err != nil {
			t.Fatal(err)
		}
		c := cursor{b: b.Bytes()}
		if got := c.uint(""); got != 5 || c.failed {
			t.Errorf("%s %x reads as %d, failed %v, want 5", name, b.Bytes(), got, c.failed)
		}
	}
}
