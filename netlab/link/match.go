package link

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Match picks the frames that a fault looks at: those for which all that is set
// here holds, in this order. The zero Match picks every frame.
type Match struct {
	Kinds    Kinds      // of one of these kinds; none is all
	Way      Way        // requests or replies only
	Term     raft.Term  // of this term; 0 is any
	From, To raft.Index // about an entry in this range, ends included; To 0 is open, both 0 is any frame
	Until    raft.Time  // that left before this lab time; 0 is for ever
	Every    uint64     // every so manieth of those; 0 and 1 are all
	Prob     float64    // with this probability, each on its own; 0 and 1 are all
	Next     uint64     // the first so many of those; 0 is all
}

// Way tells questions from answers.
type Way uint8

// The ways.
const (
	BothWays Way = iota
	Requests     // the four RPCs of Raft and ReadIndex, heartbeats included
	Replies      // their answers
)

func (w Way) String() string {
	switch w {
	case BothWays:
		return "both"
	case Requests:
		return "request"
	case Replies:
		return "reply"
	}
	return "way(" + strconv.Itoa(int(w)) + ")"
}

// everything tells whether every frame is picked, for as long as it lasts.
func (m Match) everything() bool { return m.lasting() == Match{} }

// sameFrames tells whether two pick the same frames, for as long as they last.
func (m Match) sameFrames(o Match) bool { return m.lasting() == o.lasting() }

// lasting is m without its end, and with one word for what can be said in two.
func (m Match) lasting() Match {
	m.Until = 0
	if m.Every == 1 {
		m.Every = 0
	}
	if m.Prob == 1 {
		m.Prob = 0
	}
	return m
}

func (m *Match) lasts(now raft.Time) bool { return m.Until == 0 || now < m.Until }

// fits tells whether a frame is of the sort that is picked.
func (m *Match) fits(f *Frame) bool {
	switch {
	case m.Kinds != 0 && !m.Kinds.Has(f.Kind):
		return false
	case m.Way == Requests && f.Kind.Reply(), m.Way == Replies && !f.Kind.Reply():
		return false
	case m.Term != 0 && f.Term != m.Term:
		return false
	case m.From == 0 && m.To == 0:
		return true
	}
	return f.Last != 0 && f.Last >= m.From && (m.To == 0 || f.First <= m.To)
}

// uncounted tells whether a frame is picked by what it is alone, without
// counting and without chance.
func (m *Match) uncounted(f *Frame) bool {
	return m.Every <= 1 && (m.Prob == 0 || m.Prob == 1) && m.Next == 0 && m.fits(f)
}

// picks tells whether the fault looks at the frame, and counts it.
func (c *call) picks() bool {
	m := &c.s.fault.Match
	if m.Next != 0 && c.s.hits.Matched >= m.Next || !m.lasts(c.f.Left) || !m.fits(&c.f) {
		return false
	}
	c.s.seen++
	if m.Every > 1 && c.s.seen%m.Every != 0 {
		return false
	}
	return m.Prob == 0 || m.Prob == 1 || share(c.draw(useMatch)) < m.Prob
}

func (m *Match) validate() error {
	if err := checkShare("probability", m.Prob); err != nil {
		return err
	}
	switch {
	case m.Kinds&^allKinds != 0:
		return fmt.Errorf("frames of a kind that there is not: there are %s", strings.Join(KindNames(), ", "))
	case m.Way > Replies:
		return fmt.Errorf("a way that there is not: it is request or reply")
	case m.Way == Requests && m.Kinds != 0 && m.Kinds&^replies == 0:
		return fmt.Errorf("%v frames that are requests: they are replies", m.Kinds)
	case m.Way == Replies && m.Kinds != 0 && m.Kinds&replies == 0:
		return fmt.Errorf("%v frames that are replies: they are requests", m.Kinds)
	case m.To != 0 && m.From > m.To:
		return fmt.Errorf("entries %d to %d: the range ends before it begins", m.From, m.To)
	case (m.From != 0 || m.To != 0) && m.Kinds != 0 && m.Kinds&indexed == 0:
		return fmt.Errorf("%v frames of an entry: they are about none", m.Kinds)
	case m.Until < 0:
		return fmt.Errorf("frames until %v: the lab clock starts at 0", time.Duration(m.Until))
	}
	return nil
}

// String is the match as flags of the command line, empty for every frame.
// Until is left out: it is a lab time, and the command line's --for a length.
func (m Match) String() string {
	var flags []string
	add := func(name, value string) { flags = append(flags, "--"+name+" "+value) }
	if m.Kinds != 0 {
		add("kind", m.Kinds.String())
	}
	if m.Way != BothWays {
		flags = append(flags, "--"+m.Way.String())
	}
	if m.Term != 0 {
		add("term", strconv.FormatUint(uint64(m.Term), 10))
	}
	switch {
	case m.From == 0 && m.To == 0:
	case m.From == m.To:
		add("index", strconv.FormatUint(uint64(m.From), 10))
	case m.To == 0:
		add("index", fmt.Sprintf("%d-", m.From))
	default:
		add("index", fmt.Sprintf("%d-%d", max(m.From, 1), m.To))
	}
	if m.Every > 1 {
		add("every", strconv.FormatUint(m.Every, 10))
	}
	if m.Prob != 0 && m.Prob != 1 {
		add("chance", Percent(m.Prob))
	}
	if m.Next != 0 {
		add("next", strconv.FormatUint(m.Next, 10))
	}
	return strings.Join(flags, " ")
}

// checkShare: NaN is no share either.
func checkShare(what string, x float64) error {
	if x >= 0 && x <= 1 {
		return nil
	}
	return fmt.Errorf("a %s of %s: it is between 0 %% and 100 %%", what, Percent(x))
}

// Kinds is a set of kinds of frames: bit k is kind k.
type Kinds uint64

// KindsOf is the set of these.
func KindsOf(kinds ...wire.Kind) Kinds {
	var set Kinds
	for _, k := range kinds {
		set |= 1 << k
	}
	return set
}

// Has tells whether k is in the set.
func (s Kinds) Has(k wire.Kind) bool { return s>>k&1 != 0 }

var (
	allKinds = func() (set Kinds) {
		for k := wire.KindVote; k.Raft(); k++ {
			set |= KindsOf(k)
		}
		return set
	}()
	replies = func() (set Kinds) {
		for k := wire.KindVote; k.Raft(); k++ {
			if k.Reply() {
				set |= KindsOf(k)
			}
		}
		return set
	}()
	// indexed are the kinds that Indexes knows entries of.
	indexed = KindsOf(wire.KindVote, wire.KindPreVote, wire.KindAppend, wire.KindAppendReply,
		wire.KindSnapshot, wire.KindSnapshotReply, wire.KindReadIndexReply)
)

// KindNames are the names of all kinds of Raft's frames.
func KindNames() []string {
	var names []string
	for k := wire.KindVote; k.Raft(); k++ {
		names = append(names, k.String())
	}
	return names
}

// ParseKinds reads kinds by their names, which commas may separate.
func ParseKinds(words ...string) (Kinds, error) {
	var set Kinds
	for _, word := range strings.Split(strings.Join(words, ","), ",") {
		found := false
		for k := wire.KindVote; k.Raft(); k++ {
			if k.String() == word {
				set |= KindsOf(k)
				found = true
			}
		}
		if !found {
			return 0, fmt.Errorf("no frame is of kind %q: there are %s", word, strings.Join(KindNames(), ", "))
		}
	}
	return set, nil
}

// String is the kinds' names, with commas between them.
func (s Kinds) String() string {
	var names []string
	for k := wire.Kind(0); k < 64; k++ {
		if s.Has(k) {
			names = append(names, k.String())
		}
	}
	return strings.Join(names, ",")
}

// Indexes are the entries that a frame is about, first and last, 0 for none:
// those an append carries, the last one that its answer confirms or, when it
// refuses, had asked for, a candidate's last, all that a snapshot stands for, the
// snapshot's last in its answer, and what a read waits for. A heartbeat is about
// none.
func Indexes(k wire.Kind, s *wire.Summary) (first, last raft.Index) {
	switch k {
	case wire.KindVote, wire.KindPreVote:
		last = s.LastIndex
	case wire.KindAppend:
		return s.PrevIndex + 1, s.PrevIndex + raft.Index(s.Entries)
	case wire.KindAppendReply:
		if last = s.PrevIndex; s.OK {
			last = s.Match
		}
	case wire.KindSnapshot:
		return min(1, s.PrevIndex), s.PrevIndex
	case wire.KindSnapshotReply:
		last = s.PrevIndex
	case wire.KindReadIndexReply:
		last = s.Match
	}
	return last, last
}
