package netlab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// The two ways of a frame, as Match.Way has them.
const (
	WayRequest = "request"
	WayReply   = "reply"
)

// KindWord is a word that names kinds of frames.
type KindWord struct {
	Word  string
	About string
	kinds []wire.Kind
}

// KindWords are the words that name several kinds of frames. Each kind also has
// a name of its own, as Frame.Kind has it, and where that is one of these it
// names the question and its answer.
func KindWords() []KindWord {
	return []KindWord{
		{"append", "AppendEntries with entries, and all answers to AppendEntries", []wire.Kind{wire.KindAppend, wire.KindAppendReply}},
		{"heartbeat", "AppendEntries without entries", []wire.Kind{wire.KindHeartbeat}},
		{"vote", "RequestVote and the answers", []wire.Kind{wire.KindVote, wire.KindVoteReply}},
		{"prevote", "what is asked before a candidate raises its term, and the answers", []wire.Kind{wire.KindPreVote, wire.KindPreVoteReply}},
		{"snapshot", "InstallSnapshot and the answers", []wire.Kind{wire.KindSnapshot, wire.KindSnapshotReply}},
		{"read", "a follower's question for the read index, and the answer", []wire.Kind{wire.KindReadIndex, wire.KindReadIndexReply}},
		{"transfer", "TimeoutNow, which hands the leadership over", []wire.Kind{wire.KindTimeoutNow}},
		{WayRequest, "of the kinds named, or of all, only what asks", nil},
		{WayReply, "of the kinds named, or of all, only what answers", nil},
	}
}

// raftKinds are all kinds of frames on links.
func raftKinds() []wire.Kind {
	var out []wire.Kind
	for k := wire.KindVote; k.Raft(); k++ {
		out = append(out, k)
	}
	return out
}

// KindNames are all words that ParseKinds takes.
func KindNames() []string {
	var out []string
	for _, w := range KindWords() {
		out = append(out, w.Word)
	}
	for _, k := range raftKinds() {
		if !slices.Contains(out, k.String()) {
			out = append(out, k.String())
		}
	}
	return out
}

// kindsHint lists what --kind takes.
func kindsHint() string { return "kinds: " + strings.Join(KindNames(), " ") }

// kindsOf are the kinds that a word of KindNames names, other than request and
// reply.
func kindsOf(word string) []wire.Kind {
	for _, w := range KindWords() {
		if w.Word == word {
			return w.kinds
		}
	}
	for _, k := range raftKinds() {
		if k.String() == word {
			return []wire.Kind{k}
		}
	}
	return nil
}

// ParseKinds reads words for kinds of frames, split by spaces or commas. The
// words request and reply come back as the way.
func ParseKinds(words []string) (kinds []string, way string, err error) {
	for _, word := range fields(words) {
		w := strings.ToLower(word)
		switch {
		case w == WayRequest || w == WayReply:
			if way != "" && way != w {
				return nil, "", Errorf(ExitUsage, "no frame is both a request and a reply").WithHint("leave both out for all frames")
			}
			way = w
		case kindsOf(w) == nil:
			return nil, "", Errorf(ExitUsage, "no frame is of kind %s", quote(word)).WithHint("%s", kindsHint())
		case !slices.Contains(kinds, w):
			kinds = append(kinds, w)
		}
	}
	return kinds, way, nil
}

// frames are the kinds that m names; nil for all.
func (m *Match) frames() []wire.Kind {
	if len(m.Kinds) == 0 && m.Way == "" {
		return nil
	}
	var out []wire.Kind
	for _, k := range raftKinds() {
		named := len(m.Kinds) == 0
		for _, word := range m.Kinds {
			named = named || slices.Contains(kindsOf(word), k)
		}
		if named && (m.Way == "" || k.Reply() == (m.Way == WayReply)) {
			out = append(out, k)
		}
	}
	return out
}

// Validate says what is wrong with m, as an *Error of code 2.
func (m Match) Validate() error {
	_, err := m.settled()
	return err
}

// settled is m in the one way in which every Match that limits the same is
// written, or says what is wrong with it.
func (m Match) settled() (Match, error) {
	words := m.Kinds
	if m.Way != "" {
		if m.Way != WayRequest && m.Way != WayReply {
			return m, Errorf(ExitUsage, "the way of a frame is %s or %s, not %s", WayRequest, WayReply, quote(m.Way))
		}
		words = append(slices.Clone(words), m.Way)
	}
	var err error
	if m.Kinds, m.Way, err = ParseKinds(words); err != nil {
		return m, err
	}
	slices.Sort(m.Kinds)
	if m.From == 0 && m.To > 0 {
		m.From = 1
	}
	if m.Every == 1 {
		m.Every = 0
	}
	kinds := m.frames()
	switch {
	case (len(m.Kinds) > 0 || m.Way != "") && len(kinds) == 0:
		return m, Errorf(ExitUsage, "no frame of kind %s is a %s", strings.Join(m.Kinds, " or "), m.Way).WithHint("%s", kindsHint())
	case m.To > 0 && m.To < m.From:
		return m, Errorf(ExitUsage, "the range of indexes %d-%d ends before it begins", m.From, m.To).WithHint("--index %d-%d", m.To, m.From)
	case m.From > 0 && kinds != nil && !slices.ContainsFunc(kinds, hasIndex):
		return m, Errorf(ExitUsage, "a frame of kind %s is about no index, so a range of them leaves none", strings.Join(kindNames(kinds), " or ")).
			WithHint("--index goes with %s", strings.Join(kindNames(slices.DeleteFunc(raftKinds(), func(k wire.Kind) bool { return !hasIndex(k) })), " "))
	case !(m.Prob >= 0 && m.Prob <= 1):
		return m, Errorf(ExitUsage, "a chance is 0 to 100 %%, not %g %%", m.Prob*100).WithHint("--chance 30%%")
	}
	if m.Prob == 1 {
		m.Prob = 0
	}
	return m, nil
}

// hasIndex tells whether frames of this kind are about indexes of the log.
func hasIndex(k wire.Kind) bool {
	switch k {
	case wire.KindHeartbeat, wire.KindTimeoutNow, wire.KindReadIndex, wire.KindVoteReply, wire.KindPreVoteReply:
		return false
	}
	return true
}

func kindNames(kinds []wire.Kind) []string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = k.String()
	}
	return out
}

// Empty tells whether m limits nothing.
func (m *Match) Empty() bool {
	return len(m.Kinds) == 0 && m.Way == "" && m.Term == 0 && m.From == 0 && m.Next == 0 && m.Every == 0 && m.Prob == 0
}

// flags is m as a command line has it, each flag behind a blank.
func (m *Match) flags() string {
	var b strings.Builder
	if len(m.Kinds) > 0 {
		b.WriteString(" --kind " + strings.Join(m.Kinds, ","))
	}
	if m.Way != "" {
		b.WriteString(" --" + m.Way)
	}
	if m.Term > 0 {
		fmt.Fprintf(&b, " --term %d", m.Term)
	}
	if m.From > 0 {
		b.WriteString(" --index " + indexRange(m.From, m.To))
	}
	if m.Every > 0 {
		fmt.Fprintf(&b, " --every %d", m.Every)
	}
	if m.Prob > 0 {
		b.WriteString(" --chance " + link.Percent(m.Prob))
	}
	if m.Next > 0 {
		fmt.Fprintf(&b, " --next %d", m.Next)
	}
	return b.String()
}

// words says which frames m leaves, "" when all.
func (m *Match) words() string {
	var out []string
	if len(m.Kinds) > 0 {
		out = append(out, "only "+strings.Join(m.Kinds, " and "))
	}
	switch m.Way {
	case WayRequest:
		out = append(out, "only requests")
	case WayReply:
		out = append(out, "only replies")
	}
	if m.Term > 0 {
		out = append(out, fmt.Sprintf("term %d", m.Term))
	}
	switch {
	case m.To > 0 && m.From == m.To:
		out = append(out, fmt.Sprintf("entry %d", m.To))
	case m.To > 0:
		out = append(out, fmt.Sprintf("entries %d-%d", m.From, m.To))
	case m.From > 0:
		out = append(out, fmt.Sprintf("entries from %d on", m.From))
	}
	if m.Every > 0 {
		out = append(out, "one in "+strconv.FormatUint(m.Every, 10))
	}
	if m.Prob > 0 {
		out = append(out, "each with a chance of "+link.Percent(m.Prob))
	}
	if m.Next > 0 {
		out = append(out, fmt.Sprintf("the next %d", m.Next))
	}
	return strings.Join(out, ", ")
}

func indexRange(from, to uint64) string {
	switch to {
	case from:
		return strconv.FormatUint(from, 10)
	case 0:
		return strconv.FormatUint(from, 10) + "-"
	}
	return fmt.Sprintf("%d-%d", from, to)
}

// rule is m as a link is told it.
func (m *Match) rule(until raft.Time) link.Match {
	r := link.Match{
		Term: raft.Term(m.Term), From: raft.Index(m.From), To: raft.Index(m.To),
		Until: until, Every: m.Every, Prob: m.Prob, Next: m.Next,
	}
	if len(m.Kinds) > 0 {
		r.Kinds = link.KindsOf(m.frames()...)
	}
	switch m.Way {
	case WayRequest:
		r.Way = link.Requests
	case WayReply:
		r.Way = link.Replies
	}
	return r
}
