package tui

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// How much of the past the store keeps.
const (
	keepEvents = 2000
	keepFrames = 256
	keepHeld   = keepFrames / 2 // of those older than that, how many that are held
	keepMarks  = 2000
)

// store is what has been heard from the lab. The reader goroutine folds the
// stream into it; the program copies from it. Nobody else waits for either.
type store struct {
	mu      sync.Mutex
	lab     labState
	changed chan struct{} // has a token when something came since it was last taken
}

func newStore(name string) *store {
	s := &store{changed: make(chan struct{}, 1)}
	s.lab.status.Lab = name
	return s
}

// change runs f on the state and says that there is something new.
func (s *store) change(f func(*labState)) {
	s.mu.Lock()
	f(&s.lab)
	s.lab.version++
	s.mu.Unlock()
	s.stir()
}

// stir wakes whoever waits for a change.
func (s *store) stir() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// copyTo refreshes dst and tells whether anything changed since the last time.
func (s *store) copyTo(dst *labState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if dst.version == s.lab.version {
		return false
	}
	s.lab.copyTo(dst)
	return true
}

// lastEvent is the id up to which events are known of the lab that u is from.
func (s *store) lastEvent(u *netlab.Update) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Status != nil && s.lab.another(u.Status) {
		return 0
	}
	return s.lab.lastEvent
}

// labState is a lab as far as this viewer has heard of it.
type labState struct {
	version uint64
	known   bool // a status has come
	status  netlab.Status
	clock   labClock
	conn    connection

	// events and marks are only ever appended to, so copies share them.
	events    []netlab.Event
	lastEvent uint64
	missed    uint64 // events the lab left out and nobody fetched
	terms     []termSpan
	marks     []mark
	gaps      []gap
	configs   []configEntry // ascending
	change    change

	frames  frameLog // those that say something new
	beats   frameLog // heartbeats and their answers
	traffic rates

	leaderlessNS int64 // lab time since when there is no leader; 0 when there is one or nobody knows
	walls        wallCount
}

// connection is the state of the stream.
type connection struct {
	up    bool
	lost  time.Time // when it went down
	tries int       // attempts since then
	cause string
	ended bool // the lab was stopped on purpose
}

// termSpan is a stretch of lab time in which Term was the highest known.
type termSpan struct {
	fromNS int64
	term   uint64
}

// mark is something on the tape.
type mark struct {
	labNS  int64
	letter byte
}

// gap is a stretch of lab time in which the connection was lost.
type gap struct{ fromNS, toNS int64 }

func (l *labState) copyTo(dst *labState) {
	nodes, links := dst.status.Nodes, dst.status.Links
	frames, beats := dst.frames.list, dst.beats.list
	*dst = *l
	dst.status.Nodes = append(nodes[:0], l.status.Nodes...)
	dst.status.Links = append(links[:0], l.status.Links...)
	dst.frames.list = l.frames.recent(frames[:0])
	dst.beats.list = l.beats.recent(beats[:0])
	dst.frames.matches, dst.beats.matches = nil, nil
	dst.walls.base = nil
}

// apply folds an update in; now is when it came. history are events from before
// it that were asked for because nobody sent them.
func (l *labState) apply(u netlab.Update, history []netlab.Event, now time.Time) {
	again := l.known && l.conn.up // a whole status in between: the reader was slow
	if u.Status != nil {
		if l.another(u.Status) {
			l.forget()
		}
		if !l.conn.up && l.known {
			l.gaps = append(l.gaps, gap{l.clock.at(l.conn.lost), u.Status.Clock.LabNS})
			l.clock = labClock{}
		}
		l.conn = connection{up: true}
		l.known = true
	}
	leader, config := l.status.Leader, l.status.Config
	first := u.Status != nil && !again
	l.walls.before(&l.status, first)
	l.traffic.count(&l.status, &u)
	l.status.Apply(u)
	l.walls.after(&l.status)
	l.change.follow(&config, &l.status.Config, now)
	if u.Status != nil {
		l.noteConfigsOf(u.Status.Nodes)
	}
	l.noteConfigsOf(u.Nodes)
	if u.Status != nil || u.Lab != nil {
		l.clock.set(l.status.Clock, now)
	}
	labNow := l.clock.at(now)
	switch {
	case l.status.Leader != 0:
		l.leaderlessNS = 0
	case leader != 0 && !first:
		l.leaderlessNS = labNow
	}
	l.addEvents(history)
	l.addEvents(u.Events)
	if len(history) == 0 {
		l.missed += u.Missed
	}
	l.noteTerm(labNow, l.status.Term)
	if u.Status != nil { // with it come all that are under way
		l.frames.landed()
		l.beats.landed()
	}
	routine := 0
	for i := range u.Frames {
		if l.addFrame(u.Frames[i], now) {
			routine++
		}
	}
	l.traffic.add(labNow, routine, u.Hidden)
}

// another tells whether s is of another lab under the same name: neither events
// nor the lab clock go back in one.
func (l *labState) another(s *netlab.Status) bool {
	return l.known && (s.LastEvent < l.lastEvent || s.Clock.LabNS < l.status.Clock.LabNS)
}

// forget drops what was heard of an earlier lab.
func (l *labState) forget() {
	*l = labState{version: l.version, conn: l.conn}
}

// lose notes that the stream ended.
func (l *labState) lose(now time.Time, cause string, ended bool) {
	if l.conn.up || l.conn.lost.IsZero() {
		l.conn = connection{lost: now}
	}
	l.conn.tries++
	l.conn.cause, l.conn.ended = cause, ended
}

// now is the lab time at real time t. While the lab is lost it stands where it
// was lost: nothing is known of what came after.
func (l *labState) now(t time.Time) int64 {
	if !l.conn.up && !l.conn.lost.IsZero() {
		t = l.conn.lost
	}
	return l.clock.at(t)
}

// addEvents appends events that are newer than those known.
func (l *labState) addEvents(events []netlab.Event) {
	for _, ev := range events {
		if ev.ID <= l.lastEvent {
			continue
		}
		l.lastEvent = ev.ID
		l.events = append(trimEvents(l.events), ev)
		if ev.Term != 0 {
			l.noteTerm(ev.LabNS, ev.Term)
		}
		l.noteConfigOf(&ev)
		if letter := markOf(&ev); letter != 0 {
			l.marks = appendKeeping(l.marks, mark{ev.LabNS, letter}, keepMarks)
		}
	}
}

// routineEvent tells the steps of replication, which come in floods.
func routineEvent(ev *netlab.Event) bool {
	return ev.Minor || ev.Kind == netlab.EventAppend || ev.Kind == netlab.EventCommit
}

// trimEvents drops what is too much: the oldest routine events before any of
// the others, so that a flood of writes does not wash the story away. It
// returns a new slice then: what was handed out before is never written to.
func trimEvents(list []netlab.Event) []netlab.Event {
	if len(list) < 2*keepEvents {
		return list
	}
	routine, story := keepEvents/2, keepEvents/2
	out := make([]netlab.Event, 0, 2*keepEvents+1)
	for i := len(list) - 1; i >= 0; i-- {
		left := &story
		if routineEvent(&list[i]) {
			left = &routine
		}
		if *left > 0 {
			*left--
			out = append(out, list[i])
		}
	}
	slices.Reverse(out)
	return out
}

// appendKeeping appends v and, when the slice has grown to twice keep, goes on
// in a new one with the last keep elements: what was handed out before is
// never written to.
func appendKeeping[T any](list []T, v T, keep int) []T {
	if len(list) >= 2*keep {
		list = append(make([]T, 0, 2*keep+1), list[len(list)-keep:]...)
	}
	return append(list, v)
}

func (l *labState) noteTerm(labNS int64, term uint64) {
	if n := len(l.terms); n == 0 || l.terms[n-1].term < term {
		l.terms = appendKeeping(l.terms, termSpan{labNS, term}, keepMarks)
	}
}

// labClock extrapolates the lab clock from what the lab said last.
type labClock struct {
	set0  bool
	rate  float64
	held  bool
	labNS int64
	at0   time.Time
}

// set takes a reading that came at now. A reading is old by the time it took
// to come, so at an unchanged rate the one that puts the clock furthest ahead
// is the truest; one that is far behind means that the clock was set.
func (c *labClock) set(s netlab.ClockStatus, now time.Time) {
	if c.set0 && s.Rate == c.rate && s.Held == c.held && !s.Held {
		behind := c.at(now) - s.LabNS
		if behind >= 0 && float64(behind) < c.rate*float64(200*time.Millisecond) {
			return
		}
	}
	*c = labClock{set0: true, rate: s.Rate, held: s.Held, labNS: s.LabNS, at0: now}
}

func (c *labClock) at(now time.Time) int64 {
	if !c.set0 || c.held || now.Before(c.at0) {
		return c.labNS
	}
	return c.labNS + int64(float64(now.Sub(c.at0))*c.rate)
}

// frame is a message in the network and when this viewer heard of its last
// change.
type frame struct {
	netlab.Frame
	seen time.Time
}

// frameLog keeps the last frames of a sort, oldest first.
type frameLog struct {
	list    []frame
	matches map[[2]int]uint64 // last index confirmed, by link of the answer
}

// recent appends the last frames to dst, behind those before them that are held
// still, of many the oldest.
func (f *frameLog) recent(dst []frame) []frame {
	last := max(0, len(f.list)-keepFrames)
	held := 0
	for i := range last {
		if f.list[i].Held && held < keepHeld {
			dst, held = append(dst, f.list[i]), held+1
		}
	}
	return append(dst, f.list[last:]...)
}

// landed forgets the frames of which nobody said how they ended.
func (f *frameLog) landed() {
	f.list = slices.DeleteFunc(f.list, func(fr frame) bool { return fr.ArrivedNS == 0 && fr.DroppedNS == 0 })
}

// update replaces a frame that is known and tells whether it was.
func (f *frameLog) update(fr *frame) bool {
	for i := len(f.list) - 1; i >= 0; i-- {
		if f.list[i].ID == fr.ID {
			f.list[i] = *fr
			return true
		}
	}
	return false
}

func (f *frameLog) add(fr *frame) {
	if len(f.list) >= 2*keepFrames {
		f.list = f.recent(f.list[:0])
	}
	f.list = append(f.list, *fr)
}

// addFrame files a frame and tells whether it is routine and new.
func (l *labState) addFrame(nf netlab.Frame, now time.Time) bool {
	fr := frame{nf, now}
	if l.beats.update(&fr) {
		if nf.DroppedNS != 0 {
			l.frames.add(&fr) // a lost heartbeat says something
		}
		return false
	}
	if l.frames.update(&fr) {
		return false
	}
	if l.routine(&fr) {
		l.beats.add(&fr)
		return true
	}
	l.frames.add(&fr)
	return false
}

// routine: a heartbeat, or an answer that confirms what was confirmed before.
func (l *labState) routine(fr *frame) bool {
	if fr.DroppedNS != 0 || fr.Held {
		return false
	}
	switch fr.Kind {
	case kindHeartbeat:
		return true
	case kindAppendReply:
		if !fr.OK {
			return false
		}
		if l.frames.matches == nil {
			l.frames.matches = make(map[[2]int]uint64)
		}
		k := [2]int{fr.From, fr.To}
		known, ok := l.frames.matches[k]
		l.frames.matches[k] = fr.Match
		if !ok {
			// Before this viewer came: it says nothing new if that much is committed.
			known = min(fr.Match, l.status.Commit)
		}
		return known == fr.Match
	}
	return false
}

// rates counts traffic over the last second of lab time.
type rates struct {
	samples [32]rateSample // a ring, newest at n-1
	n       int
	sent    uint64
	routine uint64
	hidden  uint64
}

type rateSample struct {
	labNS                 int64
	sent, routine, hidden uint64
}

// count adds what was sent since the status that u changes. Links come and go
// with their nodes, so it goes by each link's own counter.
func (r *rates) count(st *netlab.Status, u *netlab.Update) {
	links := u.Links
	if u.Status != nil {
		links = u.Status.Links
	}
	for i := range links {
		l := &links[i]
		at, found := slices.BinarySearchFunc(st.Links, l, func(a netlab.LinkStatus, b *netlab.LinkStatus) int {
			return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
		})
		if found && l.Sent >= st.Links[at].Sent {
			r.sent += l.Sent - st.Links[at].Sent
		}
	}
}

// add takes a sample, at most 20 in a second of lab time.
func (r *rates) add(labNS int64, routine int, hidden uint64) {
	r.routine += uint64(routine)
	r.hidden += hidden
	s := rateSample{labNS: labNS, sent: r.sent, routine: r.routine, hidden: r.hidden}
	if r.n > 1 && labNS-r.samples[(r.n-2)%len(r.samples)].labNS < int64(50*time.Millisecond) {
		r.n-- // replaces the newest, which is too near to the one before
	}
	r.samples[r.n%len(r.samples)] = s
	r.n++
}

// perSecond returns how many frames were sent in a second of lab time, and how
// many of those heard of were routine or left out by the lab. ok is false
// until there is something to measure over.
func (r *rates) perSecond() (sent, routine, hidden float64, ok bool) {
	if r.n < 2 {
		return 0, 0, 0, false
	}
	last := r.samples[(r.n-1)%len(r.samples)]
	first := last
	for i := r.n - 2; i >= max(0, r.n-len(r.samples)); i-- {
		s := r.samples[i%len(r.samples)]
		if last.labNS-s.labNS > int64(time.Second)+int64(50*time.Millisecond) {
			break
		}
		first = s
	}
	span := float64(last.labNS-first.labNS) / 1e9
	if span < 0.2 {
		return 0, 0, 0, false
	}
	return float64(last.sent-first.sent) / span, float64(last.routine-first.routine) / span,
		float64(last.hidden-first.hidden) / span, true
}

// wallCount counts what a wall stopped: drops on its links since it went up,
// or since this viewer came when it stood already.
type wallCount struct {
	base    map[[2]int]uint64
	known   map[[2]int]uint64 // drops before the update being folded
	dropped uint64
	partly  bool // the wall stood before this viewer came
}

func (w *wallCount) before(st *netlab.Status, first bool) {
	if w.base == nil {
		w.base, w.known = make(map[[2]int]uint64), make(map[[2]int]uint64)
	}
	clear(w.known)
	if first {
		clear(w.base)
		w.partly = false
		return
	}
	for i := range st.Links {
		l := &st.Links[i]
		w.known[[2]int{l.From, l.To}] = l.Dropped
	}
}

func (w *wallCount) after(st *netlab.Status) {
	w.dropped = 0
	any := false
	for i := range st.Links {
		l := &st.Links[i]
		k := [2]int{l.From, l.To}
		if !l.Wall {
			delete(w.base, k)
			continue
		}
		any = true
		base, stood := w.base[k]
		if !stood {
			if base, stood = w.known[k]; !stood {
				base, w.partly = l.Dropped, true
			}
			w.base[k] = base
		}
		if base > l.Dropped { // a node that was removed came back, and its links with it
			base, w.base[k] = 0, 0
		}
		w.dropped += l.Dropped - base
	}
	if !any {
		w.partly = false
	}
}
