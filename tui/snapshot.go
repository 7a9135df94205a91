package tui

import (
	"strconv"

	"github.com/raftlab/raftlab/netlab"
)

// The states of a leader's flow to a follower, as netlab.PeerStatus names them.
const (
	flowProbe     = "probe"
	flowReplicate = "replicate"
	flowSnapshot  = "snapshot"
)

// sending is a snapshot on its way to a follower (§7).
type sending struct {
	index        uint64
	offset, size int64 // size 0: not known
}

func (p *picture) sending(peer *netlab.PeerStatus) sending {
	s := sending{index: peer.SnapshotIndex, offset: peer.SnapshotOffset}
	if p.lead != nil && p.lead.SnapshotIndex == s.index && p.lead.SnapshotSize >= s.offset {
		s.size = p.lead.SnapshotSize
	}
	return s
}

// text is like "snapshot 40: 1.2 MiB of 3.1 MiB".
func (s sending) text() string {
	t := "snapshot " + strconv.FormatUint(s.index, 10) + ": " + bytesText(s.offset)
	if s.size > 0 {
		t += " of " + bytesText(s.size)
	}
	return t
}

// share is like "38%", or how much has arrived when the whole is not known.
func (s sending) share() string {
	if s.size == 0 {
		return bytesText(s.offset)
	}
	return strconv.FormatInt(100*s.offset/s.size, 10) + "%"
}

// drawSending draws over the entries a node lacks how much it has of the
// snapshot that stands for them. Where there is no room it draws nothing.
func drawSending(pn pane, y int, s sending, from string) {
	const least = 4 // cells of the bar
	for _, tail := range [...]string{" " + s.text() + " from " + from, " " + s.text(), " snap " + s.share(), " " + s.share()} {
		w := min(24, pn.w-2-len(tail))
		if s.size == 0 {
			w = 0
		}
		if w < least && (s.size > 0 || len(tail) > pn.w) {
			continue
		}
		x := 0
		if w > 0 {
			pn.put(0, y, '[', faint)
			pn.fill(1, 1+w, y, pn.glyph(glyphRest), faint)
			pn.fill(1, 1+int(s.offset*int64(w)/s.size), y, pn.glyph(glyphBar), plain)
			pn.put(1+w, y, ']', faint)
			x = 2 + w
		}
		pn.text(x, y, tail, plain)
		return
	}
}

// fold is what stands for w columns of entries that a snapshot stands for:
// "[snap 40 t6 ====]", with as many of its words as fit.
func drawFold(pn pane, y int, n *netlab.NodeStatus, st style) {
	w := pn.w
	if w < 2 {
		return
	}
	index, term := strconv.FormatUint(max(n.SnapshotIndex, n.FirstIndex-1), 10), ""
	if n.SnapshotTerm > 0 {
		term = " t" + strconv.FormatUint(n.SnapshotTerm, 10)
	}
	pn.put(0, y, '[', st)
	pn.fill(1, w-1, y, pn.glyph(glyphPast), faint)
	pn.put(w-1, y, ']', st)
	for _, s := range [...]string{"snapshot " + index + term, "snap " + index + term, index + term, index, "s"} {
		if len(s) <= w-2 {
			x := pn.text(1, y, s, st)
			if x < w-1 && len(s) > 1 {
				pn.put(x, y, ' ', plain)
			}
			return
		}
	}
}
