package tui

import (
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// view is what fills the screen between the sentence and the footer.
type view int

const (
	viewHome view = iota
	viewNodes
	viewMessages
	viewLinks
	viewEvents
	viewData
)

// overlay is what is drawn over the view.
type overlay int

const (
	overlayNone overlay = iota
	overlayHelp
	overlayNode    // a node in detail
	overlayMessage // a message in detail
	overlayEvent   // an event in detail
	overlayText    // what a line printed
	overlayConfirm // a line that asks first
	overlayInput   // a prompt: palette, action, filter
)

// beatMode says whether heartbeats are among the messages.
type beatMode int

const (
	beatsAuto beatMode = iota // shown until there are too many to read
	beatsShown
	beatsHidden
)

// uiState is what this viewer has picked and typed.
type uiState struct {
	view    view
	overlay overlay

	node   int          // the picked node's id
	marked map[int]bool // nodes marked for an action on several

	logBack   uint64 // how many entries the log window is scrolled back from the end
	msgID     uint64 // the picked message in a list of messages, 0: the newest
	eventID   uint64 // the picked event, 0: the newest
	linkFrom  int    // the picked cell of the matrix, as ids; 0: the first node
	linkTo    int
	beats     beatMode
	showMinor bool
	filter    string

	input   lineEditor
	prompt  prompt
	hints   []string // what Tab may put
	preview string

	helpFilter lineEditor
	helpAt     int

	text      []string // overlayText's lines
	textTitle string
	scroll    int // of overlayText, overlayNode, viewData

	detail *netlab.Log // of the picked node, while overlayNode is open
	dumps  map[int]dumpState
	notice notice
	timers []timerSample
}

// dumpState is a node's state machine as last fetched.
type dumpState struct {
	dump *netlab.Dump
	err  string
}

// notice is the line above the footer: what the last line answered.
type notice struct {
	text, hint string
	bad        bool
	until      time.Time // when it goes by itself; zero: not
	more       int       // errors before this one that nobody dismissed
}

// prompt says what the line being typed is for.
type prompt struct {
	kind   promptKind
	title  string
	filter string // as it was before, for esc
}

type promptKind int

const (
	promptLine   promptKind = iota // a line of the command line
	promptFilter                   // words that messages and events must have
	promptPick                     // the number of a node
)

// timerSample is what a timer showed when its digits were last drawn anew.
// Digits that change at every frame cannot be read; bars move as they do.
type timerSample struct {
	id   int
	left int64
	ok   bool
}
