package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/raftlab/raftlab/node/wire"
)

// Limits of what a History has in memory.
const (
	// windowMin is how many operations of a key are judged together when they come
	// fast, windowMax how many are waited for until none is open.
	windowMin = 256
	windowMax = 1024
	// heldMax is how many operations wait to be judged, of all keys.
	heldMax = 100_000
	// keysMax is how many keys are told apart.
	keysMax = 100_000
	// writesMax is how many writes of a key are kept to say how old a stale read is.
	writesMax = 64
	// findingsMax is how many contradictions are kept.
	findingsMax = 100
)

// JudgeTimeout is how long porcupine may take over one window of a key.
const JudgeTimeout = 2 * time.Second

// Outcome is what is known of an operation.
type Outcome uint8

// The outcomes.
const (
	Open     Outcome = iota // it is under way, or nobody wrote down how it ended
	Answered                // it has taken effect, or the state machine said no
	Lost                    // no answer came: it may take effect at any time, or never
	Failed                  // it surely had no effect
)

// Operation is one request of a client, from its call to its return.
type Operation struct {
	ID     uint64
	Client string
	Request
	Answer  Answer // when Answered
	Outcome Outcome

	// Called and Returned are its places among all calls and returns: who is
	// called after another has returned, in the order that counts, has the higher
	// place. Returned is 0 while it has not.
	Called, Returned int64
	// CalledNS and ReturnedNS are lab time.
	CalledNS, ReturnedNS int64

	straddles bool // it was called before the window's start, of which nothing is known
	skipped   bool // it is not judged
}

// end is the place of its return.
func (o *Operation) end() int64 {
	if o.Returned == 0 {
		return math.MaxInt64
	}
	return o.Returned
}

// answer is what it was told, nil when that is not known.
func (o *Operation) answer() *Answer {
	if o.Outcome != Answered {
		return nil
	}
	return &o.Answer
}

// claims tells whether the operation promises to be linearizable: a stale read
// does not.
func (q *Request) claims() bool { return q.Op != wire.OpGet || q.Read != wire.ReadStale }

// writes tells whether it may change the key.
func (q *Request) writes() bool { return q.Op != wire.OpGet }

// History is what clients asked and were told, and when, and whether there is
// an order in which it all can have happened (Herlihy and Wing's
// linearizability; §8). It is judged a key at a time, and a window of a key at a time:
// where no operation is open what comes later cannot change what came before
// but by the states the key can be in, and those are carried on. So memory is
// bounded by what is open or was called lately, and the whole is judged as
// exactly as at once. What is not judged is counted, with the reason.
//
// A History is used by one goroutine at a time; only [Window.Judge] may run
// beside it.
type History struct {
	// Fresh says that every key is without a value as the history begins. Else
	// anything may be there.
	fresh bool

	place int64
	ids   uint64
	open  map[uint64]*Operation
	keys  map[string]*keyHistory
	ready []*keyHistory // with something to judge, in the order they came
	held  int           // operations that are not judged yet
	sum   Linearizability
}

// keyHistory is what is known of one key.
type keyHistory struct {
	name   string
	states configs
	lost   []*Operation // they may still take effect
	now    []*Operation // called since the last cut, in this order
	open   int          // of now
	cut    int          // so many of now were called before a moment at which none was open
	full   []segment    // cut off, to be judged
	out    bool         // a Window of it is being judged
	queued bool         // in History.ready

	recent   []*Operation // the last writes that were judged, for a sentence
	writes   []written    // answered, the last ones
	known    bool         // some of it was judged
	violated bool
	unknown  bool   // some of it was not
	given    string // why nothing more of it is judged, "" while it is
}

// segment are operations between two cuts of a key.
type segment struct {
	ops    []*Operation // they returned
	lost   []*Operation // called in it, with an outcome that is not known
	open   []*Operation // still open as it was cut off: it is judged that far, and what it ends with is not known
	forced bool         // there were such
}

// written is a write that was answered.
type written struct {
	index uint64
	place int64 // of the answer
}

// NewHistory returns an empty history. In a fresh one no key has a value yet.
func NewHistory(fresh bool) *History {
	return &History{fresh: fresh, open: make(map[uint64]*Operation), keys: make(map[string]*keyHistory)}
}

// Invoke takes note that a client asks, at this lab time, and returns the
// operation's number.
func (h *History) Invoke(client string, q Request, at int64) uint64 {
	q.Value, q.Old = condense(q.Value), condense(q.Old)
	return h.invoke(h.ids+1, client, q, at).ID
}

// invoke takes in a request whose values are condensed.
func (h *History) invoke(id uint64, client string, q Request, at int64) *Operation {
	h.ids = max(h.ids, id)
	h.place++
	op := &Operation{ID: id, Client: client, Request: q, Called: h.place, CalledNS: at}
	h.open[id] = op
	if !q.claims() {
		return op
	}
	h.sum.Operations++
	k := h.key(q.Key)
	if k != nil && k.given == "" && h.held >= heldMax {
		h.giveUp(k, "more operations came than could be judged")
	}
	if k == nil || k.given != "" {
		op.skipped = true
		return op
	}
	h.held++
	k.now = append(k.now, op)
	k.open++
	if len(k.now) >= windowMax {
		h.force(k)
	}
	return op
}

// key returns what is known of a key, nil when there are too many.
func (h *History) key(name string) *keyHistory {
	k := h.keys[name]
	if k == nil && len(h.keys) < keysMax {
		k = &keyHistory{name: name, states: configs{{reg: register{unknown: !h.fresh}}}}
		h.keys[name] = k
	}
	return k
}

// Return takes note of an answer.
func (h *History) Return(id uint64, a Answer, at int64) {
	a.Value = condense(a.Value)
	h.answered(id, a, at)
}

// answered takes in an answer whose value is condensed.
func (h *History) answered(id uint64, a Answer, at int64) {
	op := h.end(id, Answered, at)
	if op == nil {
		return
	}
	op.Answer = a
	k := h.keys[op.Key]
	if !op.claims() {
		h.stale(k, op)
		return
	}
	h.ended(k, op)
	if k != nil && op.writes() && !a.Refused && a.Index > 0 {
		if len(k.writes) == writesMax {
			k.writes = slices.Delete(k.writes, 0, 1)
		}
		k.writes = append(k.writes, written{a.Index, op.Returned})
	}
}

// Lose takes note that no answer is waited for any more, and none came. A read
// is nothing then; a write may take effect at any time, or never.
func (h *History) Lose(id uint64, at int64) {
	if op := h.open[id]; op != nil && !op.writes() {
		h.Fail(id, at)
		return
	}
	op := h.end(id, Lost, at)
	if op == nil {
		return
	}
	op.Returned = 0
	h.sum.Lost++
	h.ended(h.keys[op.Key], op)
}

// Fail takes note that an operation had no effect and told nothing: it does not
// count.
func (h *History) Fail(id uint64, at int64) {
	op := h.end(id, Failed, at)
	if op == nil {
		return
	}
	h.sum.Failed++
	if op.claims() {
		h.sum.Operations--
		h.ended(h.keys[op.Key], op)
	}
}

// end ends an open operation; nil is one that is not open.
func (h *History) end(id uint64, o Outcome, at int64) *Operation {
	op := h.open[id]
	if op == nil {
		return nil
	}
	delete(h.open, id)
	h.place++
	op.Outcome, op.Returned, op.ReturnedNS = o, h.place, at
	return op
}

// ended does what is due when an operation of k that claims something has ended.
func (h *History) ended(k *keyHistory, op *Operation) {
	if op.skipped {
		if op.Outcome != Failed {
			h.sum.NotJudged++
		}
		return
	}
	k.open--
	if k.open > 0 {
		return
	}
	k.cut = len(k.now)
	if k.cut >= windowMin {
		h.cutOff(k)
	}
	h.queue(k)
}

func (h *History) queue(k *keyHistory) {
	if !k.queued {
		k.queued = true
		h.ready = append(h.ready, k)
	}
}

// cutOff makes a segment of what was called before the last cut.
func (h *History) cutOff(k *keyHistory) {
	if k.cut == 0 {
		return
	}
	var s segment
	for _, op := range k.now[:k.cut] {
		switch op.Outcome {
		case Answered:
			s.ops = append(s.ops, op)
		case Lost:
			s.lost = append(s.lost, op)
		default:
			h.held--
		}
	}
	k.now = append([]*Operation(nil), k.now[k.cut:]...)
	k.cut = 0
	if len(s.ops)+len(s.lost) > 0 {
		k.full = append(k.full, s)
	}
}

// force cuts a key off while operations are open, since there would be too many
// else. Those that are open go on into the next segment, of whose start nothing
// is known.
func (h *History) force(k *keyHistory) {
	h.cutOff(k)
	if len(k.now) < windowMax {
		return
	}
	s := segment{forced: true}
	var open []*Operation
	for _, op := range k.now {
		switch op.Outcome {
		case Answered:
			s.ops = append(s.ops, op)
		case Lost:
			s.lost = append(s.lost, op)
		case Open:
			open = append(open, op)
			was := *op
			s.open = append(s.open, &was)
			op.straddles = true
		default:
			h.held--
		}
	}
	k.now, k.full = open, append(k.full, s)
	h.sum.Gaps++
	h.queue(k)
}

// giveUp ends judging a key for good.
func (h *History) giveUp(k *keyHistory, why string) {
	k.given, k.unknown = why, true
	drop := func(ops []*Operation) {
		for _, op := range ops {
			h.held--
			switch op.Outcome {
			case Open:
				op.skipped = true
			case Answered, Lost:
				h.sum.NotJudged++
			}
		}
	}
	drop(k.now)
	for _, s := range k.full {
		drop(s.ops)
		drop(s.lost)
	}
	k.now, k.full, k.lost, k.states, k.open, k.cut = nil, nil, nil, nil, 0, 0
}

// stale says how old a stale read is.
func (h *History) stale(k *keyHistory, op *Operation) {
	h.sum.Stale.Reads++
	if k == nil {
		return
	}
	n := 0
	for _, w := range k.writes {
		if w.index > op.Answer.Index && w.place < op.Called {
			n++
		}
	}
	if n == 0 {
		return
	}
	h.sum.Stale.Behind++
	if s := (StaleRead{Key: op.Key, Client: op.Client, Node: op.Answer.Node, LabNS: op.ReturnedNS, Writes: n, AtLeast: n == writesMax}); n >= h.sum.Stale.Oldest.Writes {
		h.sum.Stale.Oldest = s
	}
	h.sum.Stale.Last = n
}

// Behind says how many writes were answered before the last stale read was
// asked for, that it did not see.
func (h *History) Behind() int { return h.sum.Stale.Last }

// Take returns what can be judged now. With final it is the end: what is open
// then is not known to have happened or not.
func (h *History) Take(final bool) []*Window {
	if final {
		h.closeAll()
	}
	var out []*Window
	ready := h.ready
	h.ready = nil
	for _, k := range ready {
		if k.out {
			h.ready = append(h.ready, k)
			continue
		}
		k.queued = false
		h.cutOff(k)
		if len(k.full) == 0 {
			continue
		}
		out = append(out, &Window{key: k.name, states: k.states, lost: k.lost, recent: k.recent, segments: k.full, timeout: JudgeTimeout})
		k.out, k.full = true, nil
	}
	return out
}

// closeAll ends what is open.
func (h *History) closeAll() {
	for _, op := range h.OpenOperations() {
		h.Lose(op.ID, op.CalledNS)
	}
}

// Settle takes in what came of a window, and returns the contradictions in it.
func (h *History) Settle(w *Window) []Finding {
	k := h.keys[w.key]
	k.out, k.known = false, true
	for _, s := range w.segments {
		h.held -= len(s.ops) + len(s.lost)
		for _, op := range s.ops {
			h.sum.LastJudgedNS = max(h.sum.LastJudgedNS, op.ReturnedNS)
		}
	}
	h.sum.Judged += uint64(w.judged)
	h.sum.Undecided += uint64(w.undecided)
	h.sum.NotJudged += uint64(w.skipped)
	k.violated = k.violated || len(w.findings) > 0
	k.unknown = k.unknown || w.undecided > 0
	k.states, k.lost, k.recent = w.states, w.lost, w.recent
	switch {
	case k.given != "": // meanwhile
		k.states, k.lost = nil, nil
	case w.given != "":
		h.giveUp(k, w.given)
	case len(k.full) > 0 || k.cut > 0:
		h.queue(k)
	}
	room := findingsMax - len(h.sum.Findings)
	h.sum.Findings = append(h.sum.Findings, w.findings[:min(len(w.findings), room)]...)
	h.sum.Violated += uint64(len(w.findings))
	return w.findings
}

// Disown takes note that somebody whose operations are not recorded writes to a
// key: nothing that was found there counts, and nothing more of it is judged.
func (h *History) Disown(key string) {
	k := h.keys[key]
	if k == nil || k.given != "" {
		return
	}
	h.giveUp(k, "clients wrote whose operations are not recorded")
	k.violated = false
	h.sum.Findings = slices.DeleteFunc(h.sum.Findings, func(f Finding) bool {
		if f.Key != key {
			return false
		}
		h.sum.Violated--
		h.sum.Judged-- // the answer that was found wrong
		h.sum.NotJudged++
		return true
	})
}

// Judge judges what can be judged, and returns the contradictions found.
func (h *History) Judge(final bool) []Finding {
	var out []Finding
	for {
		windows := h.Take(final)
		if len(windows) == 0 {
			return out
		}
		for _, w := range windows {
			w.Judge()
			out = append(out, h.Settle(w)...)
		}
	}
}

// Operation returns one that is open, nil when it is not.
func (h *History) Operation(id uint64) *Operation { return h.open[id] }

// OpenOperations returns those that are open, in the order of their calls.
func (h *History) OpenOperations() []*Operation {
	out := make([]*Operation, 0, len(h.open))
	for _, op := range h.open {
		out = append(out, op)
	}
	slices.SortFunc(out, func(a, b *Operation) int { return cmp.Compare(a.Called, b.Called) })
	return out
}

// Called is how many operations were called so far.
func (h *History) Called() uint64 { return h.ids }

// Held is how many operations are in memory, to be judged.
func (h *History) Held() int { return h.held }

// Report says how it stands.
func (h *History) Report() Linearizability {
	r := h.sum
	r.Findings = slices.Clone(h.sum.Findings)
	r.Waiting = uint64(h.held)
	why := make(map[string]int)
	for _, k := range h.keys {
		if !k.known && !k.unknown {
			continue
		}
		r.Keys++
		switch {
		case k.violated:
			r.KeysViolated++
		case k.unknown:
			r.KeysUnknown++
		}
		if k.given != "" {
			why[k.given]++
		}
	}
	for w, n := range why {
		r.Reasons = append(r.Reasons, fmt.Sprintf("%s, of %d %s", w, n, plural(n, "key")))
	}
	if r.Undecided > 0 {
		r.Reasons = append(r.Reasons, fmt.Sprintf("%d operations took more than %v to judge", r.Undecided, JudgeTimeout))
	}
	if len(h.keys) == keysMax {
		r.Reasons = append(r.Reasons, fmt.Sprintf("no more than %d keys are told apart", keysMax))
	}
	if r.Gaps > 0 {
		r.Reasons = append(r.Reasons, fmt.Sprintf("%d times a key had more than %d operations without a moment at which none was open: what would contradict only across such a place is not seen", r.Gaps, windowMax))
	}
	slices.SortFunc(r.Reasons, cmp.Compare[string])
	r.Verdict = r.verdict()
	return r
}

// Standing is the verdict and the counts of a report alone, which take no time
// however many keys there are.
func (h *History) Standing() (verdict string, judged, notJudged uint64, lastNS int64) {
	return h.sum.verdict(), h.sum.Judged, h.sum.Undecided + h.sum.NotJudged, h.sum.LastJudgedNS
}

func (l *Linearizability) verdict() string {
	switch {
	case l.Violated > 0:
		return VerdictViolated
	case l.Undecided > 0 || l.NotJudged > 0:
		return VerdictUnknown
	case l.Judged > 0:
		return VerdictOK
	}
	return VerdictNothing
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// The verdicts on a history.
const (
	VerdictOK       = "linearizable"
	VerdictViolated = "violated"
	VerdictUnknown  = "unknown" // of some of it
	VerdictNothing  = "nothing judged"
)

// Linearizability is how a history stands.
type Linearizability struct {
	Verdict      string    `json:"verdict"`
	Operations   uint64    `json:"operations"` // asked for; those without an effect not counted
	Judged       uint64    `json:"judged"`
	Waiting      uint64    `json:"waiting"`    // open, or to be judged
	Undecided    uint64    `json:"undecided"`  // judging them took too long
	NotJudged    uint64    `json:"not_judged"` // see Reasons
	Reasons      []string  `json:"reasons,omitempty"`
	Lost         uint64    `json:"lost"`   // of the judged, those of which nobody knows whether they took effect
	Failed       uint64    `json:"failed"` // asked for and without effect: they do not count
	Gaps         uint64    `json:"gaps"`
	Keys         int       `json:"keys"`
	KeysViolated int       `json:"keys_violated"`
	KeysUnknown  int       `json:"keys_unknown"`
	Violated     uint64    `json:"violated"` // contradictions
	LastJudgedNS int64     `json:"last_judged_ns"`
	Stale        Stale     `json:"stale"`
	Findings     []Finding `json:"findings"`
}

// Stale is what stale reads saw. They claim nothing and are no part of the verdict.
type Stale struct {
	Reads  uint64    `json:"reads"`
	Behind uint64    `json:"behind"` // those that did not see a write that had been answered
	Oldest StaleRead `json:"oldest"`
	Last   int       `json:"-"` // how many writes the last one that was behind did not see
}

// StaleRead is a stale read that did not see so many writes.
type StaleRead struct {
	Key     string `json:"key"`
	Client  string `json:"client"`
	Node    int    `json:"node"`
	LabNS   int64  `json:"lab_ns"`
	Writes  int    `json:"writes"`
	AtLeast bool   `json:"at_least,omitempty"` // older writes are not counted
}

// Finding is a contradiction.
type Finding struct {
	Key     string   `json:"key"`
	LabNS   int64    `json:"lab_ns"` // of the return that no order explains
	Index   uint64   `json:"index"`  // what that answer named
	Node    int      `json:"node"`   // who gave it
	Message string   `json:"message"`
	IDs     []uint64 `json:"operations"` // the operations the message speaks of
}
