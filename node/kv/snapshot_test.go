package kv

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

var update = flag.Bool("update", false, "rewrite testdata")

// fataler is a test of any kind.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func written(t fataler, f *Frozen) []byte {
	t.Helper()
	var out bytes.Buffer
	n, err := f.WriteTo(&out)
	if err != nil || n != int64(out.Len()) {
		t.Fatalf("WriteTo = %d, %v, and wrote %d bytes", n, err, out.Len())
	}
	return out.Bytes()
}

// snapshotOf is the snapshot of a store that is not frozen.
func snapshotOf(t fataler, s *Store) []byte {
	t.Helper()
	f := s.Freeze()
	defer f.Release()
	return written(t, f)
}

func restored(t fataler, snapshot []byte, sessions, answers int) *Store {
	t.Helper()
	s, err := restore(bytes.NewReader(snapshot), sessions, answers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// filled is a store with something of everything.
func filled() *tape {
	s := &tape{Store: newStore(3, maxAnswers)}
	for id := uint64(1); id <= 4; id++ { // one too many
		s.as(id, 1, 0, incr("n"))
	}
	s.as(3, 5, 0, put("x", "1"))
	s.as(3, 3, 1, cas("x", "2", "3"))
	s.as(3, 4, 0, del("x"))
	s.as(2, 2, 1, put("empty", ""))
	s.apply(put("long", strings.Repeat("long ", 30)))
	s.apply(put("\xff\x00", "\x00\xff"))
	return s
}

const goldenFile = "testdata/snapshot.txt"

// The form stays: what is on the disks of older nodes is read by newer ones.
func TestASnapshotStaysAsItIs(t *testing.T) {
	snapshot := snapshotOf(t, filled().Store)
	got := hex.Dump(snapshot)
	if *update {
		if err := os.WriteFile(goldenFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the snapshot differs from %s, which takes another snapshotVersion; then -update rewrites it. Got:\n%s", goldenFile, got)
	}
	s := restored(t, snapshot, 3, maxAnswers)
	if again := snapshotOf(t, s); !bytes.Equal(again, snapshot) {
		t.Errorf("restored and written again it is\n%s", hex.Dump(again))
	}
	if !reflect.DeepEqual(s.Pairs(), filled().Pairs()) {
		t.Errorf("restored pairs %v, want %v", s.Pairs(), filled().Pairs())
	}
}

func TestAnEmptyStoreHasASnapshot(t *testing.T) {
	s := restored(t, snapshotOf(t, New()), maxSessions, maxAnswers)
	if r := s.Apply(1, 1, AppendCommand(nil, &Command{Op: wire.OpPut, Session: 1, Seq: 1, Key: []byte("x")})); r.Code != wire.CodeOK {
		t.Errorf("a restored empty store answers %+v", r)
	}
}

// While a frozen state is written, the store shows and takes everything; what
// is written is what was.
func TestAFrozenStoreGoesOn(t *testing.T) {
	s := tape{Store: New()}
	for i := range 1000 {
		s.apply(put(fmt.Sprintf("k%03d", i), "old"))
	}
	want := s.Pairs()
	f := s.Freeze()
	const changed = releaseStep + 100
	for i := range changed {
		key := fmt.Sprintf("k%03d", i)
		switch i % 4 {
		case 0:
			s.apply(del(key))
			s.apply(del(key))
		case 1:
			s.apply(del(key))
			s.apply(put(key, "again"))
		case 2:
			s.apply(cas(key, "old", "new"))
			s.apply(put(key, "newer"))
		case 3:
			s.apply(put("new-"+key, "1"))
			s.apply(incr("new-" + key))
		}
	}
	check := func(when string) {
		t.Helper()
		for i := range 1000 {
			key := fmt.Sprintf("k%03d", i)
			want, want2 := "old", ""
			if i < changed {
				want = []string{"", "again", "newer", "old"}[i%4]
				want2 = []string{"", "", "", "2"}[i%4]
			}
			for key, want := range map[string]string{key: want, "new-" + key: want2} {
				if v, _, found := s.Get([]byte(key)); string(v) != want || found != (want != "") {
					t.Fatalf("%s, %s is %q, found %v, want %q", when, key, v, found, want)
				}
			}
		}
		if n := len(s.Pairs()); n != 1000 {
			t.Errorf("%s there are %d pairs", when, n)
		}
	}
	check("frozen")
	old := restored(t, written(t, f), maxSessions, maxAnswers)
	if !reflect.DeepEqual(old.Pairs(), want) {
		t.Error("what was written is not what was frozen")
	}
	f.Release()
	check("released")
	left := len(s.pairs.over)
	if left != changed-releaseStep {
		t.Errorf("%d of %d changes are left at once, want %d fewer", left, changed, releaseStep)
	}
	s.apply(get("k000"))
	if n := left - len(s.pairs.over); n != settleStep {
		t.Errorf("a command takes back %d changes, want %d", n, settleStep)
	}
	check("settling")
	// What is changed once more meanwhile is not undone by what was before.
	s.apply(put("k357", "last"))
	s.apply(del("new-k355"))
	for range left {
		s.apply(get("k000"))
	}
	if s.pairs.over != nil || !s.Settle(0) {
		t.Errorf("%d changes are never taken back", len(s.pairs.over))
	}
	if v, _, _ := s.Get([]byte("k357")); string(v) != "last" {
		t.Errorf("k357 is %q, want the last", v)
	}
	if _, _, found := s.Get([]byte("new-k355")); found {
		t.Error("new-k355 is back")
	}
}

// A store frozen again before it has taken back everything loses nothing.
func TestFrozenAgainBeforeItIsSettled(t *testing.T) {
	s := tape{Store: New()}
	for round := range 5 {
		f := s.Freeze()
		for i := range 2 * releaseStep {
			s.apply(put(fmt.Sprint(i), fmt.Sprint(round)))
		}
		f.Release()
		if s.Settle(0) {
			t.Fatal("it is settled at once")
		}
	}
	s = tape{Store: restored(t, snapshotOf(t, s.Store), maxSessions, maxAnswers)}
	for i := range 2 * releaseStep {
		if v, _, _ := s.Get([]byte(fmt.Sprint(i))); string(v) != "4" {
			t.Fatalf("%d is of round %s, want the last", i, v)
		}
	}
}

func TestTheUseOfFrozen(t *testing.T) {
	s := New()
	f := s.Freeze()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a frozen store is frozen again")
			}
		}()
		s.Freeze()
	}()
	f.Release()
	f.Release()
	if n, err := f.WriteTo(io.Discard); n != 0 || err == nil {
		t.Errorf("released, it writes %d bytes, %v", n, err)
	}
	g := s.Freeze()
	f.Release() // has no part in g
	if !s.pairs.frozen {
		t.Error("an old release thaws the store")
	}
	g.Release()
}

// Whatever way a state was come to, it is the same bytes.
func TestEqualStatesAreEqualBytes(t *testing.T) {
	plain, stirred := tape{Store: New()}, tape{Store: New()}
	var f *Frozen
	for i := range 3000 {
		c := put(fmt.Sprint(i*7919%1000), fmt.Sprint(i))
		if i%5 == 0 {
			c = del(fmt.Sprint(i * 31 % 1000))
		}
		c.Session, c.Seq, c.Acked = uint64(i%17+1), uint64(i/17+1), uint64(i/40)
		plain.apply(c)
		if i%100 == 50 {
			f = stirred.Freeze()
		}
		stirred.apply(c)
		if i%100 == 99 {
			f.Release()
		}
	}
	if a, b := snapshotOf(t, plain.Store), snapshotOf(t, stirred.Store); !bytes.Equal(a, b) {
		t.Errorf("equal states are %d and %d other bytes", len(a), len(b))
	}
}

// One goroutine writes while the other applies. The race detector watches.
func TestAFrozenStateIsWrittenBesideTheStore(t *testing.T) {
	s := tape{Store: newStore(8, 64)}
	for i := range 500 {
		s.as(uint64(i%8+1), uint64(i/8+1), uint64(i/16), put(fmt.Sprint(i), "v"))
	}
	for round := range 5 {
		f := s.Freeze()
		want := written(t, f)
		got := make(chan []byte)
		go func() {
			var out bytes.Buffer
			if _, err := f.WriteTo(&out); err != nil {
				t.Error(err)
			}
			got <- out.Bytes()
		}()
		var b []byte
		for i := 0; b == nil; i++ {
			select {
			case b = <-got:
			default:
				s.as(uint64(i%12+1), uint64(i/12+1), uint64(i/24), put(fmt.Sprint(i%700), fmt.Sprint(round)))
			}
		}
		if !bytes.Equal(b, want) {
			t.Fatalf("round %d: %d bytes are written, other than the %d before", round, len(b), len(want))
		}
		f.Release()
	}
}

func TestASnapshotIsReadInPiecesOfAnySize(t *testing.T) {
	s := tape{Store: New()}
	for _, size := range []int{0, 1, 100, snapshotBuffer - 1, snapshotBuffer, snapshotBuffer + 1, 300_000, MaxValue} {
		s.apply(put(fmt.Sprint(size), strings.Repeat("v", size)))
		s.apply(put(strings.Repeat("k", size), "1"))
	}
	snapshot := snapshotOf(t, s.Store)
	for name, r := range map[string]io.Reader{
		"whole":        bytes.NewReader(snapshot),
		"bytes":        iotest.OneByteReader(bytes.NewReader(snapshot)),
		"halves":       iotest.HalfReader(bytes.NewReader(snapshot)),
		"with its end": iotest.DataErrReader(bytes.NewReader(snapshot)),
	} {
		got, err := Restore(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got.Pairs(), s.Pairs()) {
			t.Errorf("%s: other pairs", name)
		}
	}
}

// Every snapshot cut anywhere, with any bit turned, or with anything behind
// it is refused.
func TestADamagedSnapshotIsRefused(t *testing.T) {
	snapshot := snapshotOf(t, filled().Store)
	refused := func(what string, b []byte) {
		t.Helper()
		if s, err := restore(bytes.NewReader(b), 3, maxAnswers); err == nil || s != nil {
			t.Errorf("%s: it is restored", what)
		} else if !strings.HasPrefix(err.Error(), "restore the state machine: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range snapshot {
		refused(fmt.Sprintf("its first %d bytes", n), snapshot[:n])
		for bit := range 8 {
			b := bytes.Clone(snapshot)
			b[n] ^= 1 << bit
			refused(fmt.Sprintf("bit %d of byte %d turned", bit, n), b)
		}
	}
	refused("a byte behind", append(bytes.Clone(snapshot), 0))
	refused("itself behind", append(bytes.Clone(snapshot), snapshot...))
}

// whole makes a snapshot of what is between header and checksum.
func whole(body ...byte) []byte {
	b := append([]byte(snapshotHeader), body...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func TestASnapshotIsRefusedInWords(t *testing.T) {
	tests := []struct {
		name     string
		snapshot []byte
		want     string
	}{
		{"nothing", nil, "the snapshot is cut off: it ends at byte 0, inside its header"},
		{"something else", []byte("PK\x03\x04 and so on"), `this is no snapshot of it: it begins with "PK\x03\x04 and"`},
		{"another version", []byte("raftkv\x00\x02and so on"), "the snapshot has version 2, this raftlab reads version 1: use the raftlab that wrote it"},
		{"cut off in a value", whole(0, 0, 1, 1, 'k', 100, 'v')[:14], "the snapshot is cut off: it ends at byte 14, inside its value"},
		{"another checksum", append([]byte(snapshotHeader), 0, 0, 0, 1, 2, 3, 4), "the snapshot is damaged at byte 11: the checksum of what is before is 08fb1010, not 01020304"},
		{"more behind", append(whole(0, 0, 0), 0), "the snapshot is damaged at byte 15: there is more behind its end"},
		{"too many sessions", whole(0, 4), "the snapshot is damaged at byte 9: 4 sessions where at most 3 fit"},
		{"session 0", whole(0, 1, 0, 1, 0, 0, 0), "the snapshot is damaged at byte 10: session 0 is none"},
		{"a session twice", whole(0, 2, 7, 1, 0, 0, 7, 2, 0, 0, 0), "the snapshot is damaged at byte 14: session 7 is there twice"},
		{"sessions out of order", whole(0, 2, 7, 2, 0, 0, 8, 2, 0, 0, 0), "the snapshot is damaged at byte 14: session 8, last used by entry 2, comes after 2"},
		{"a session that would be forgotten", whole(5, 1, 7, 5, 0, 0, 0), "the snapshot is damaged at byte 10: session 7, last used by entry 5, comes after 5"},
		{"too many answers", whole(0, 1, 7, 1, 0, 6), "the snapshot is damaged at byte 13: 6 answers where at most 5 fit"},
		{"too many answers together", whole(0, 2, 7, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 8, 2, 0, 5), "the snapshot is damaged at byte 24: 5 answers where at most 4 fit"},
		{"an answer the client has", whole(0, 1, 7, 1, 3, 1, 3, 1, 1, 0, 0, 0, 0), "the snapshot is damaged at byte 14: session 7 has an answer of command 3 after 3, and acknowledged 3"},
		{"an answer too far ahead", whole(0, 1, 7, 1, 0, 1, 0x81, 0x80, 1, 1, 1, 0, 0, 0, 0), "the snapshot is damaged at byte 14: session 7 has an answer of command 16385 after 0, and acknowledged 0"},
		{"found is 2", whole(0, 1, 7, 1, 0, 1, 1, 1, 1, 0, 2), "the snapshot is damaged at byte 18: the answer's found is 2"},
		{"keys out of order", whole(0, 0, 2, 1, 'b', 0, 1, 1, 'a', 0, 2), `the snapshot is damaged at byte 15: key "a" comes after "b"`},
		{"a key twice", whole(0, 0, 2, 0, 0, 1, 0, 0, 2), `the snapshot is damaged at byte 14: key "" comes after ""`},
		{"a number in more bytes than it takes", whole(0x80, 0), "the snapshot is damaged at byte 8: the mark of the forgotten is no number"},
		{"a number of more than 64 bits", whole(bytes.Repeat([]byte{0xff}, 10)...), "the snapshot is damaged at byte 8: the mark of the forgotten is no number"},
		{"a value that came in no frame", whole(0, 0, 1, 0, 0x81, 0x80, 0x80, 4), "the snapshot is damaged at byte 12: the value has 8388609 bytes, more than a frame"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := restore(bytes.NewReader(tt.snapshot), 3, 5)
			if want := "restore the state machine: " + tt.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
	broken := errors.New("input/output error")
	_, err := Restore(io.MultiReader(bytes.NewReader(whole(0, 0, 0)[:10]), iotest.ErrReader(broken)))
	if want := "restore the state machine: read the snapshot at byte 10: input/output error"; !errors.Is(err, broken) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A few bytes that claim much take no memory.
func TestWhatASnapshotClaimsTakesNoMemory(t *testing.T) {
	most := binary.AppendUvarint(nil, math.MaxUint64)
	for name, body := range map[string][]byte{
		"pairs":    append([]byte{0, 0}, most...),
		"a key":    append([]byte{0, 0, 1}, binary.AppendUvarint(nil, maxBytes)...),
		"a value":  append([]byte{0, 0, 1, 0}, binary.AppendUvarint(nil, maxBytes)...),
		"sessions": append([]byte{0}, binary.AppendUvarint(nil, maxSessions)...),
		"answers":  append([]byte{0, 1, 7, 1, 0}, binary.AppendUvarint(nil, MaxAhead)...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := Restore(bytes.NewReader(whole(body...))); err == nil {
			t.Errorf("%s: it is restored", name)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: %d bytes of a snapshot took %d bytes of memory", name, len(body), took)
		}
	}
}

// A disk that is full ends the writing.
func TestTheFirstErrorOfTheWriterIsTold(t *testing.T) {
	s := tape{Store: New()}
	for i := range 10 {
		s.apply(put(fmt.Sprint(i), strings.Repeat("v", snapshotBuffer)))
	}
	f := s.Freeze()
	defer f.Release()
	full := &fullDisk{room: 3*snapshotBuffer + 100}
	n, err := f.WriteTo(full)
	if !errors.Is(err, errFull) || n != 3*snapshotBuffer+100 || full.after != 0 {
		t.Errorf("WriteTo = %d, %v, and writes %d times afterwards", n, err, full.after)
	}
}

var errFull = errors.New("no space left on device")

type fullDisk struct {
	room  int
	after int
}

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room == 0 {
		d.after++
	}
	n := min(len(b), d.room)
	if d.room -= n; n < len(b) {
		return n, errFull
	}
	return n, nil
}

// What is restored is written as the same bytes: every state has one form.
func FuzzRestore(f *testing.F) {
	add := func(s *Store) {
		b := snapshotOf(f, s)
		f.Add(b[len(snapshotHeader):len(b)-4], true)
		f.Add(b, false)
	}
	add(New())
	add(filled().Store)
	f.Fuzz(func(t *testing.T, b []byte, body bool) {
		if body {
			b = whole(b...)
		}
		s, err := Restore(bytes.NewReader(b))
		if err != nil {
			return
		}
		if again := snapshotOf(t, s); !bytes.Equal(again, b) {
			t.Errorf("%x is restored and written as %x", b, again)
		}
		index := raft.Index(math.MaxInt64)
		s.Apply(index, 1, AppendCommand(nil, &Command{Op: wire.OpIncr, Session: 7, Seq: 2, Acked: 1, Key: []byte("n")}))
	})
}
