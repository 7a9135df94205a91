package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// testDisk is a disk whose one file, a segment of zeros, is path.
func testDisk(t *testing.T, fault wire.Disk) (d *disk, f wal.File, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "00000001.wal")
	if err := os.WriteFile(path, make([]byte, 3*diskPage), 0o644); err != nil {
		t.Fatal(err)
	}
	d = newDisk(nil, fault, func() {})
	d.follow(clock.New(clock.Setting{Rate: 1}))
	return d, openTestFile(t, d, path, os.O_RDWR), path
}

func openTestFile(t *testing.T, d *disk, path string, flag int) wal.File {
	t.Helper()
	f, err := d.openFile(path, flag)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t *testing.T, f wal.File, b []byte, off int64) {
	t.Helper()
	if n, err := f.WriteAt(b, off); n != len(b) || err != nil {
		t.Fatalf("WriteAt(%d bytes, %d) = %d, %v", len(b), off, n, err)
	}
}

// onDisk tells how many of b's bytes a power cut would leave at off of the file,
// from the first on.
func onDisk(t *testing.T, path string, b []byte, off int64) int {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for n < len(b) && off+int64(n) < int64(len(file)) && file[off+int64(n)] == b[n] {
		n++
	}
	return n
}

var someBytes = bytes.Repeat([]byte("0123456789abcde\xa5"), 400) // spans pages

func TestLyingDiskKeepsWhatItSaidIsSynced(t *testing.T) {
	d, f, path := testDisk(t, wire.Disk{Fault: wire.DiskLie})
	reader := openTestFile(t, d, path, os.O_RDONLY)
	write(t, f, someBytes, 100)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if n := onDisk(t, path, someBytes, 100); n != 0 {
		t.Errorf("%d bytes are on the disk of a liar", n)
	}
	got := make([]byte, len(someBytes)+20)
	if n, err := reader.ReadAt(got, 90); n != len(got) || err != nil || !bytes.Equal(got[10:10+len(someBytes)], someBytes) {
		t.Errorf("read back through another file: %d bytes, %v", n, err)
	}
	t.Run("a file that is being made is honest", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "x.new")
		f := openTestFile(t, d, path, os.O_RDWR|os.O_CREATE)
		write(t, f, someBytes, 0)
		if err := f.Sync(); err != nil || onDisk(t, path, someBytes, 0) != len(someBytes) {
			t.Errorf("sync: %v, %d bytes on the disk", err, onDisk(t, path, someBytes, 0))
		}
	})
	if err := d.set(wire.Disk{}); err != nil {
		t.Fatal(err)
	}
	if n := onDisk(t, path, someBytes, 100); n != len(someBytes) || !d.sound.Load() || d.cache.pages != 0 {
		t.Errorf("of an honest one %d, with %d pages kept", n, d.cache.pages)
	}
}

// What a lying disk keeps is bounded, the oldest goes to the disk first, and a
// file that is removed takes along what is kept of it.
func TestDiskCacheIsBounded(t *testing.T) {
	d, f, path := testDisk(t, wire.Disk{Fault: wire.DiskLie})
	other := filepath.Join(filepath.Dir(path), "00000002.wal")
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, f, someBytes, 0)
	write(t, openTestFile(t, d, other, os.O_RDWR), someBytes, 0)
	if err := d.cache.shrink(d.base, 3*diskPage); err != nil {
		t.Fatal(err)
	}
	if n := onDisk(t, path, someBytes, 0); n != diskPage {
		t.Errorf("%d bytes were pushed out, want the first page", n)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := d.cache.shrink(d.base, diskPage); err != nil || d.cache.pages != 1 || d.cache.has(path) {
		t.Errorf("with the file gone: %v, %d pages, %v", err, d.cache.pages, d.cache.order)
	}
	d.release()
	if n := onDisk(t, other, someBytes, 0); n != len(someBytes) || d.cache.pages != 0 {
		t.Errorf("at a good end %d bytes of %d are on the disk, %d pages kept", n, len(someBytes), d.cache.pages)
	}
	if err := openTestFile(t, d, other, os.O_RDWR).Sync(); err != nil {
		t.Error(err)
	}
}

// The cache says what a file would: checked against one, with all writes, reads
// and flushes drawn.
func TestDiskCacheReadsAsTheFile(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	d, f, path := testDisk(t, wire.Disk{Fault: wire.DiskLie})
	like := make([]byte, 3*diskPage)
	for range 2000 {
		off := draw.IntN(4 * diskPage)
		b := make([]byte, 1+draw.IntN(2*diskPage))
		switch draw.IntN(4) {
		case 0:
			for i := range b {
				b[i] = byte(draw.Uint32())
			}
			if off > len(like) {
				off = len(like)
			}
			write(t, f, b, int64(off))
			like = append(like[:off], append(b, like[min(off+len(b), len(like)):]...)...)
		case 1:
			if err := d.cache.shrink(d.base, draw.IntN(4)*diskPage); err != nil {
				t.Fatal(err)
			}
		default:
			n, err := f.ReadAt(b, int64(off))
			want := like[min(off, len(like)):min(off+len(b), len(like))]
			if !bytes.Equal(b[:n], want) || (n < len(b)) != (err == io.EOF) {
				t.Fatalf("read %d bytes at %d: %d, %v, want %d of a file of %d", len(b), off, n, err, len(want), len(like))
			}
		}
	}
	if err := d.set(wire.Disk{}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, like) {
		t.Errorf("the file has %d bytes, want %d; %v", len(got), len(like), err)
	}
}

func TestSlowDiskTakesLabTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ms = raft.Duration(time.Millisecond)
		d, f, path := testDisk(t, wire.Disk{Fault: wire.DiskSlow, Delay: 20 * ms, Jitter: 5 * ms, Seed: 7})
		c := d.clock
		c.Adjust(0.1, false)
		took := make(chan time.Duration)
		sync := func() {
			begun := time.Now()
			write(t, f, someBytes, 0)
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
			took <- time.Since(begun)
		}
		var drawn []time.Duration
		for range 3 {
			go sync()
			drawn = append(drawn, <-took)
		}
		for i, d := range drawn {
			if d < 150*time.Millisecond || d > 250*time.Millisecond || i > 0 && d == drawn[i-1] {
				t.Errorf("sync %d took %v of real time at a tenth of its speed, want 150 to 250 ms", i, d)
			}
		}
		if err := d.set(wire.Disk{Fault: wire.DiskSlow, Delay: 20 * ms, Jitter: 5 * ms, Seed: 7}); err != nil {
			t.Fatal(err)
		}
		go sync()
		if again := <-took; again != drawn[0] {
			t.Errorf("the first sync of the same seed took %v, before %v", again, drawn[0])
		}

		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		c.Adjust(1, true)
		go sync()
		synctest.Wait()
		time.Sleep(time.Hour)
		log, other, due := d.stalled(c.Now())
		if !log || other || onDisk(t, path, someBytes, 0) != 0 {
			t.Errorf("held: stalled %v, %v; %d bytes on the disk", log, other, onDisk(t, path, someBytes, 0))
		}
		c.Advance(due - 1)
		synctest.Wait()
		if log, _, _ := d.stalled(c.Now()); !log {
			t.Error("done before its time")
		}
		c.Advance(due)
		<-took
		if log, _, due := d.stalled(c.Now()); log || due != raft.Never || onDisk(t, path, someBytes, 0) != len(someBytes) {
			t.Errorf("done, and stalled %v until %d", log, due)
		}
		for _, end := range []func(){func() { d.set(wire.Disk{}) }, d.release} {
			if err := d.set(wire.Disk{Fault: wire.DiskSlow, Delay: 1000 * ms}); err != nil {
				t.Fatal(err)
			}
			go sync()
			synctest.Wait()
			end()
			<-took // it is waited for no longer
		}
	})
}

func TestFailingSyncLeavesNothingBehind(t *testing.T) {
	_, f, path := testDisk(t, wire.Disk{Fault: wire.DiskFail})
	write(t, f, someBytes, 0)
	for range 2 { // also the next one: there is nothing to try again
		if err := f.Sync(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), path) {
			t.Errorf("sync: %v", err)
		}
	}
	if n := onDisk(t, path, someBytes, 0); n != 0 {
		t.Errorf("%d bytes are on the disk", n)
	}
}

func TestFullDiskTakesNothing(t *testing.T) {
	d, f, path := testDisk(t, wire.Disk{Fault: wire.DiskFull})
	fresh := openTestFile(t, d, path+".new", os.O_RDWR|os.O_CREATE)
	for _, f := range []wal.File{f, fresh} {
		if _, err := f.WriteAt(someBytes, 0); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), path) {
			t.Errorf("write: %v", err)
		}
		if err := f.Sync(); err != nil {
			t.Errorf("sync of nothing: %v", err)
		}
	}
	if n := onDisk(t, path, someBytes, 0); n != 0 {
		t.Errorf("%d bytes are on the disk", n)
	}
}

func TestTornWriteIsThereInPart(t *testing.T) {
	for seed := range uint64(50) {
		d, f, path := testDisk(t, wire.Disk{Fault: wire.DiskTorn, Seed: seed})
		b := someBytes[:64*(1+seed)]
		write(t, f, b, 64)
		done := make(chan error)
		go func() { done <- f.Sync() }()
		for {
			if log, _, due := d.stalled(0); log {
				if due != raft.Never {
					t.Fatalf("it ends at %d", due)
				}
				break
			}
			time.Sleep(time.Microsecond)
		}
		if n := onDisk(t, path, b, 64); n == 0 || n == len(b) || n%32 == 0 {
			t.Fatalf("seed %d: %d of %d bytes are on the disk", seed, n, len(b))
		}
		if seed%2 == 0 {
			d.release()
		} else if err := d.set(wire.Disk{}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || onDisk(t, path, b, 64) != len(b) {
			t.Fatalf("then sync is %v, with %d bytes on the disk", err, onDisk(t, path, b, 64))
		}
	}
}

func TestDisksThatAreNone(t *testing.T) {
	d, _, _ := testDisk(t, wire.Disk{})
	for _, bad := range []wire.Disk{{Fault: "tired"}, {Fault: wire.DiskSlow, Delay: -1}, {Fault: wire.DiskSlow, Jitter: -1}, {Fault: wire.DiskLie, Delay: 1}, {Delay: 1}} {
		if err := d.set(bad); err == nil || bad.Valid() || !d.sound.Load() {
			t.Errorf("%+v is taken: %v", bad, err)
		}
	}
}

// fault makes a node's disk one with this fault.
func (l *fakeLab) fault(n *fakeNode, d wire.Disk) {
	l.t.Helper()
	if out := l.order(n, wire.Order{Verb: wire.OrderDisk, Disk: &d}); out.Error != "" {
		l.t.Fatalf("disk %+v: %s", d, out.Error)
	}
}

// lastOnDisk is where the log of a node that has ended ends.
func (l *fakeLab) lastOnDisk(id raft.NodeID) raft.Index {
	l.t.Helper()
	found, err := wal.Scan(l.nodeDir(id), 1, 1, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return found.LastIndex
}

// ack fails unless a put is acknowledged, and returns its index.
func (l *fakeLab) ack(c *testClient, key string) raft.Index {
	l.t.Helper()
	got := c.put(key, "1")
	if got.Code != wire.CodeOK {
		l.t.Fatalf("put %s: %+v", key, got)
	}
	return got.Index
}

// A node that is killed loses what its disk had not synced, one that ends in good
// order loses nothing.
func TestUnsyncedWritesGoWithAKillAndNotWithAStop(t *testing.T) {
	for _, fault := range []wire.Disk{{Fault: wire.DiskSlow, Delay: raft.Duration(time.Hour)}, {Fault: wire.DiskLie}, {Fault: wire.DiskTorn}} {
		for _, kill := range []bool{true, false} {
			t.Run(fmt.Sprint(fault.Fault, " kill ", kill), func(t *testing.T) {
				l := newFakeLab(t, 3)
				l.processes = kill // stop is a kill of those
				l.startAll()
				c := l.dial(l.leader())
				before := l.ack(c, "a")
				n := l.follower()
				l.wait("the first to be everywhere", func() bool { return n.state.Durable >= before })
				l.fault(n, fault)
				after := l.ack(c, "b")
				l.wait("the second to come", func() bool { return n.state.Last >= after })
				if fault.Fault == wire.DiskLie {
					l.wait("the lie", func() bool { return n.state.Durable >= after })
				}
				if err := l.stop(n.id); err != nil && !kill {
					t.Errorf("ended with %v", err)
				}
				last := l.lastOnDisk(n.id)
				if kill && (last < before || last >= after) || !kill && last < after {
					t.Errorf("its log ends at %d; %d was synced, %d was not", last, before, after)
				}
				// It comes back, and is brought up to date: also by a leader that it had told of more.
				again := l.start(n.id)
				l.wait("it to catch up", func() bool { return again.state != nil && again.state.Applied >= after })
				torn := strings.Contains(strings.Join(again.reg.Notes, " "), "cut a torn tail")
				if want := kill && fault.Fault == wire.DiskTorn; torn != want {
					t.Errorf("a torn tail was cut: %v, want %v: %q", torn, want, again.reg.Notes)
				}
			})
		}
	}
}

// A sync that fails, and a disk that is full, end the node: it is said why, and
// what it had acknowledged is there.
func TestDiskThatRefusesEndsTheNode(t *testing.T) {
	for _, test := range []struct {
		fault wire.DiskFault
		is    error
		text  string
	}{{wire.DiskFail, syscall.EIO, "input/output error"}, {wire.DiskFull, syscall.ENOSPC, "the disk is full: write "}} {
		t.Run(string(test.fault), func(t *testing.T) {
			l := startLab(t, 3)
			l.steady()
			n := l.leader()
			c := l.dial(n)
			before := l.ack(c, "a")
			l.fault(n, wire.Disk{Fault: test.fault})
			c.send(wire.Request{ID: 99, Op: wire.OpPut, Session: testSession, Seq: 2, Key: []byte("b")})
			<-n.ended
			var disk *DiskError
			if !errors.As(n.err, &disk) || disk.Op != "write" || !errors.Is(n.err, test.is) || !strings.Contains(n.err.Error(), test.text) {
				t.Errorf("ended with %v", n.err)
			}
			l.wait("the lab to be told", func() bool { return n.fatal == n.err.Error() })
			if last := l.lastOnDisk(n.id); last < before {
				t.Errorf("its log ends at %d, %d was acknowledged", last, before)
			}
			l.setClock(1, false)
			l.start(n.id)
			if got := l.dial(l.leader()).get("a", wire.ReadLog); string(got.Value) != "1" {
				t.Errorf("a is %+v", got)
			}
		})
	}
}

// The end of a slow sync is one of the things that the lab steps to.
func TestSlowSyncIsAStep(t *testing.T) {
	l := startLab(t, 1)
	n := l.leader()
	l.ack(l.dial(n), "a")
	l.setClock(1, true)
	l.wait("the hold", func() bool { return n.state.Held })
	l.fault(n, wire.Disk{Fault: wire.DiskSlow, Delay: 1}) // shorter than to any timer
	c := l.dial(n)
	c.send(wire.Request{ID: 50, Op: wire.OpPut, Session: testSession, Seq: 2, Key: []byte("b"), Value: []byte("2")})
	var w *wire.Waiting
	step := func(s wire.Step) {
		t.Helper()
		out := l.order(n, wire.Order{Verb: wire.OrderStep, Step: &s})
		if out.Error != "" || out.Waiting == nil {
			t.Fatalf("step %+v: %+v", s, out)
		}
		w = out.Waiting
	}
	for step(wire.Step{}); w.Requests == 0; step(wire.Step{}) {
	}
	step(wire.Step{Take: wire.TakeRequest})
	if !w.Sync || w.Due != w.At+1 {
		t.Fatalf("the request is taken and %+v waits", w)
	}
	step(wire.Step{Take: wire.TakeTimer, At: w.Due})
	if w.Sync {
		t.Errorf("at its end %+v waits", w)
	}
	if s := l.shown(n); s.Durable != s.Last {
		t.Errorf("durable up to %d of %d", s.Durable, s.Last)
	}
	l.setClock(1, false)
	if reply := c.receive(); reply.Code != wire.CodeOK {
		t.Errorf("the put: %+v", reply)
	}
}

func TestDiskOrdersThatMakeNoSense(t *testing.T) {
	l := startLab(t, 1)
	n := l.leader()
	for _, o := range []wire.Order{{Verb: wire.OrderDisk}, {Verb: wire.OrderDisk, Disk: &wire.Disk{Fault: "tired"}}} {
		if out := l.order(n, o); out.Error == "" {
			t.Errorf("%+v is taken", o)
		}
	}
	l.ack(l.dial(n), "a")
}

func TestDiskInTheEnvironment(t *testing.T) {
	t.Setenv(EnvID, "1")
	t.Setenv(EnvDir, "d")
	t.Setenv(EnvLab, "l")
	for _, s := range []string{"{", `{"fault":"tired"}`, `{"fault":"slow","delay":-1}`} {
		t.Setenv(EnvDisk, s)
		if _, err := FromEnv(); err == nil || !strings.Contains(err.Error(), EnvDisk) {
			t.Errorf("%s: %v", s, err)
		}
	}
	t.Setenv(EnvDisk, `{"fault":"slow","delay":5,"jitter":2,"seed":9}`)
	want := wire.Disk{Fault: wire.DiskSlow, Delay: 5, Jitter: 2, Seed: 9}
	if o, err := FromEnv(); err != nil || o.Disk != want {
		t.Errorf("%+v, %v", o.Disk, err)
	}
}
