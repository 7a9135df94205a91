package netlab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/proxy"
)

// What can be done to a frame.
const (
	FrameHold    = "hold"    // it waits until somebody lets it go; with Links, all frames that match
	FrameRelease = "release" // it goes now, also while the clock is held
	FrameDrop    = "drop"    // it is lost
	FrameInject  = "inject"  // it is sent once more, as it was
)

// FrameActions are what can be done to a frame, in the order help shows them.
func FrameActions() []string { return []string{FrameHold, FrameRelease, FrameDrop, FrameInject} }

// releasePatience is how long, in real time, a release waits for the receiver
// to take the frame: one that is paused takes none.
const releasePatience = time.Second

// frame does something to a frame, to all that are held, or holds all that
// match.
func (l *lab) frame(ctx context.Context, op *Op) (*OpResult, error) {
	switch op.Action {
	case FrameHold, FrameRelease, FrameDrop, FrameInject:
	default:
		return nil, Errorf(ExitUsage, "%s cannot be done to a frame", quote(op.Action)).WithHint("it can be: %s", strings.Join(FrameActions(), " "))
	}
	switch named := count(op.Frame != 0) + count(op.All) + count(len(op.Links) > 0); {
	case named != 1:
		return nil, Errorf(ExitUsage, "frame %s wants one frame, all that are held, or links", op.Action).
			WithHint("raftlab frame 4711 %s; raftlab frame all release; raftlab frame hold 1 to 3 --kind append", op.Action)
	case op.Action == FrameHold && len(op.Links) > 0:
		return l.setLinks(ctx, op)
	case len(op.Links) > 0 || op.All && op.Action != FrameRelease && op.Action != FrameDrop:
		return nil, Errorf(ExitUsage, "of all frames only those that are held can be told to %s or %s; to hold frames, say on which links", FrameRelease, FrameDrop).
			WithHint("raftlab frame all release; raftlab frame hold all")
	case op.Match != nil || op.For != 0:
		return nil, Errorf(ExitUsage, "a limit goes with links: one frame is one frame").WithHint("raftlab frame hold 1 to 3 --kind append")
	}
	// That they were held is told before what becomes of them.
	l.mu.Lock()
	l.tellHeld()
	l.mu.Unlock()
	if op.All {
		return l.actOnHeld(ctx, op)
	}
	return l.actOnFrame(ctx, op)
}

// actOnFrame does something to one frame.
func (l *lab) actOnFrame(ctx context.Context, op *Op) (*OpResult, error) {
	var f proxy.Frame
	var err error
	var text, note string
	switch op.Action {
	case FrameRelease:
		f, note, err = l.releaseFrame(ctx, op.Frame)
		text = "released: " + frameText(&f) + ", " + fateText(&f)
	case FrameDrop:
		f = l.network.frame(op.Frame)
		err = l.network.drop(op.Frame)
		text = "dropped: " + frameText(&f)
	case FrameHold:
		f = l.network.frame(op.Frame)
		err = l.network.hold(op.Frame)
		text = "held: " + frameText(&f)
	case FrameInject:
		var id uint64
		id, err = l.network.inject(op.Frame)
		f = l.network.frame(id)
		text = fmt.Sprintf("frame %d is sent once more: %s", f.CopyOf, frameText(&f))
	}
	if err != nil {
		return nil, Errorf(ExitConflict, "%v", err).WithHint(`"raftlab frames" lists the last ones, "raftlab frames --held" those that are held`)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if op.Action == FrameHold {
		l.faults.noteHeld(f.ID)
	}
	res := l.tellFrames(op, text)
	if note != "" {
		res.note(note)
	}
	return res, nil
}

// actOnHeld lets go of all frames that are held, one after the other in the
// order they left, or drops them.
func (l *lab) actOnHeld(ctx context.Context, op *Op) (*OpResult, error) {
	var arrived, lost, stuck int
	for _, h := range l.network.held() {
		if op.Action == FrameDrop {
			// One that does not wait any more was let go of by somebody else.
			lost += count(l.network.drop(h.ID) == nil)
			continue
		}
		switch f, note, err := l.releaseFrame(ctx, h.ID); {
		case err != nil:
		case note != "":
			stuck++
		case f.Reason != "":
			lost++
		default:
			arrived++
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	total := arrived + lost + stuck
	if total == 0 {
		return &OpResult{Text: "no frame is held"}, nil
	}
	text := fmt.Sprintf("%s released", heldFrames(total))
	if op.Action == FrameDrop {
		return l.tellFrames(op, fmt.Sprintf("%s dropped", heldFrames(total))), nil
	}
	if lost > 0 {
		text += fmt.Sprintf(", %d of them lost", lost)
	}
	res := l.tellFrames(op, text)
	if stuck > 0 {
		res.note(fmt.Sprintf("%d of them wait for their receivers to read", stuck))
	}
	return res, nil
}

// releaseFrame lets a frame go and waits until it has arrived or is lost. note
// says that it has done neither so far.
func (l *lab) releaseFrame(ctx context.Context, id uint64) (f proxy.Frame, note string, err error) {
	ctx, cancel := l.within(ctx, releasePatience)
	defer cancel()
	before := l.network.frame(id)
	f, err = l.network.release(ctx, id)
	if errors.Is(err, context.DeadlineExceeded) {
		return before, fmt.Sprintf("S%d has not taken it yet", before.To), nil
	}
	return f, "", err
}

// tellFrames makes the event of something that was done to frames. With lab.mu
// held.
func (l *lab) tellFrames(op *Op, text string) *OpResult {
	l.tellHeld()
	l.keepFaults()
	return &OpResult{Text: text, Event: l.faultEvent(op, text)}
}

// frameText names a frame in a sentence.
func frameText(f *proxy.Frame) string {
	told := frameOf(f)
	return fmt.Sprintf("frame %d, S%d to S%d, %s, term %d", f.ID, f.From, f.To, told.Short(), f.Term)
}

// fateText is what became of a frame that was released.
func fateText(f *proxy.Frame) string {
	switch {
	case f.Reason != "":
		return "and lost: " + string(f.Reason)
	case f.Done:
		return "and arrived"
	}
	return "and on its way"
}

func (f *faults) noteHeld(id uint64) {
	if f.held == nil {
		f.held = make(map[uint64]bool)
	}
	f.held[id] = true
}

// tellHeld tells of frames that were held since it last looked, and forgets
// those that are not any more. With lab.mu held.
func (l *lab) tellHeld() {
	f := &l.faults
	if len(f.held) == 0 && l.network.onHold() == 0 {
		return
	}
	now := make(map[uint64]bool)
	for _, h := range l.network.held() {
		now[h.ID] = true
		if f.held[h.ID] {
			continue
		}
		// The first tells that it works; the others can be many.
		e := Event{
			Schema: SchemaEvent, At: l.now(), LabNS: int64(h.Left),
			Kind: EventFault, Text: "held: " + frameText(&h), Minor: len(f.held) > 0,
		}
		if h.Fault > 0 {
			e.Text += ", by " + faultName(int(h.Fault))
		}
		l.addEvent(stored{Event: e})
		f.noteHeld(h.ID)
	}
	for id := range f.held {
		if !now[id] {
			delete(f.held, id)
			l.touchLab()
		}
	}
}

// heldOn are the frames that are held on links. With lab.mu held.
func (l *lab) heldOn(which linkSet) []proxy.Frame {
	return slices.DeleteFunc(l.network.held(), func(h proxy.Frame) bool {
		return !which.has(ends{int(h.From), int(h.To)})
	})
}

// framesHeldBy is how many frames a fault holds. With lab.mu held.
func (l *lab) framesHeldBy(f *fault) (n int) {
	for _, h := range l.network.held() {
		n += count(h.Fault == uint64(f.id))
	}
	return n
}

// letGo lets go of what was held by hand among frames; what a fault held goes
// with the fault. With lab.mu held.
func (l *lab) letGo(frames []proxy.Frame) {
	for i := range frames {
		if frames[i].Fault == 0 {
			l.network.free(frames[i].ID)
		}
	}
	l.tellHeld()
}

func heldFrames(n int) string {
	if n == 1 {
		return "1 held frame"
	}
	return fmt.Sprintf("%d held frames", n)
}
