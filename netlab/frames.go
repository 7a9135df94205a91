package netlab

import (
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/node/wire"
)

// SchemaFrames names the shape of a FramePage.
const SchemaFrames = "raftlab.frames/1"

// FrameQuery asks for frames. What is left out picks all.
type FrameQuery struct {
	From  []string `json:"from,omitempty"`  // words for nodes
	To    []string `json:"to,omitempty"`    // words for nodes
	Kinds []string `json:"kinds,omitempty"` // words for kinds: KindNames
	Held  bool     `json:"held,omitempty"`  // only those that wait until somebody lets them go
	// Follow asks for what was recorded from place After on, instead of for the
	// last state of each frame on record.
	Follow bool   `json:"follow,omitempty"`
	After  uint64 `json:"after,omitempty"`
	Limit  int    `json:"limit,omitempty"` // the newest so many; 0 is 100, or all with Follow
}

// FramePage answers a FrameQuery, oldest first.
type FramePage struct {
	Schema string  `json:"schema"`
	Frames []Frame `json:"frames"`
	Next   uint64  `json:"next"`             // the place to follow from
	Missed uint64  `json:"missed,omitempty"` // records of all frames that are not kept any more
}

const (
	framesDefault = 100
	framesKept    = 8192
)

// framesPage answers a query.
func (l *lab) framesPage(q *FrameQuery) (*FramePage, error) {
	fits, err := l.frameFilter(q)
	if err != nil {
		return nil, err
	}
	if q.Limit < 0 {
		return nil, Errorf(ExitUsage, "the number of frames is %d, one from 1 on is wanted", q.Limit)
	}
	page := &FramePage{Schema: SchemaFrames, Frames: []Frame{}, Next: uint64(l.network.proxy.Cursor())}
	if q.Held {
		for _, f := range l.network.held() {
			if fits(&f) {
				page.Frames = append(page.Frames, frameOf(&f))
			}
		}
	} else {
		after := proxy.Cursor(0)
		if q.Follow {
			after = proxy.Cursor(q.After)
		}
		records, next, missed := l.network.proxy.Frames(nil, after, framesKept)
		page.Next = uint64(next)
		if q.Follow {
			page.Missed = missed
		} else {
			records = lastOfEach(records)
		}
		for i := range records {
			if fits(&records[i]) {
				page.Frames = append(page.Frames, frameOf(&records[i]))
			}
		}
	}
	limit := q.Limit
	if limit == 0 && !q.Follow {
		limit = framesDefault
	}
	if extra := len(page.Frames) - limit; limit > 0 && extra > 0 {
		page.Frames = page.Frames[extra:]
	}
	return page, nil
}

// frameFilter tells which frames a query is for. Words for nodes mean those
// they name now.
func (l *lab) frameFilter(q *FrameQuery) (func(*proxy.Frame) bool, error) {
	kinds, way, err := ParseKinds(q.Kinds)
	if err != nil {
		return nil, err
	}
	match := Match{Kinds: kinds, Way: way}
	if match, err = match.settled(); err != nil {
		return nil, err
	}
	wanted := match.frames()
	var ends [2]map[int]bool
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, words := range [2][]string{q.From, q.To} {
		if len(words) == 0 {
			continue
		}
		members, err := l.resolve(words, anyNode)
		if err != nil {
			return nil, err
		}
		ends[i] = make(map[int]bool)
		for _, m := range members {
			ends[i][m.id] = true
		}
	}
	return func(f *proxy.Frame) bool {
		return (ends[0] == nil || ends[0][int(f.From)]) && (ends[1] == nil || ends[1][int(f.To)]) &&
			(wanted == nil || slices.Contains(wanted, f.Kind))
	}, nil
}

// lastOfEach keeps the latest record of each frame.
func lastOfEach(records []proxy.Frame) []proxy.Frame {
	at := make(map[uint64]int)
	var out []proxy.Frame
	for _, r := range records {
		if i, known := at[r.ID]; known {
			out[i] = r
			continue
		}
		at[r.ID] = len(out)
		out = append(out, r)
	}
	return out
}

// Short is what a frame says, in a word or two: append 44, vote?, ok 43.
func (f *Frame) Short() string {
	switch f.Kind {
	case wire.KindAppend.String():
		first, last := f.PrevIndex+1, f.PrevIndex+uint64(f.Entries)
		if first == last {
			return fmt.Sprintf("append %d", last)
		}
		return fmt.Sprintf("append %d-%d", first, last)
	case wire.KindVote.String():
		return "vote?"
	case wire.KindPreVote.String():
		return "prevote?"
	case wire.KindSnapshot.String():
		if f.Done {
			return fmt.Sprintf("snap %d end", f.PrevIndex)
		}
		return fmt.Sprintf("snap %d @%s", f.PrevIndex, sizeText(f.Offset))
	case wire.KindTimeoutNow.String():
		return "stand now"
	case wire.KindReadIndex.String():
		return "read index?"
	case wire.KindAppendReply.String():
		if f.OK {
			return fmt.Sprintf("ok %d", f.Match)
		}
		return "reject"
	case wire.KindSnapshotReply.String():
		switch {
		case f.Done:
			return fmt.Sprintf("has snap %d", f.PrevIndex)
		case f.OK:
			return "ok @" + sizeText(f.Offset)
		}
		return "reject snap"
	case wire.KindReadIndexReply.String():
		return fmt.Sprintf("read at %d", f.Match)
	case wire.KindVoteReply.String(), wire.KindPreVoteReply.String():
		answer := "NO "
		if f.OK {
			answer = "YES "
		}
		if f.Kind == wire.KindVoteReply.String() {
			return answer + "vote"
		}
		return answer + "prevote"
	}
	return f.Kind
}
