package tui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// keyMap is every key of the view. The footer and the help are generated from
// it; nothing else knows a key. Small letters act, capital letters show views,
// digits pick nodes, punctuation is time.
type keyMap struct {
	Kill, Restart, Pause, Elect               key.Binding
	Partition, Cut, Slow, Lose, Heal, Undo    key.Binding
	Add, Remove, Transfer, Snapshot           key.Binding
	Put, Load                                 key.Binding
	Hold, Step, Slower, Faster                key.Binding
	Palette, Help, Quit, Down                 key.Binding
	Pick, Number, Prev, Next, Mark            key.Binding
	Detail, Inspect, Broken                   key.Binding
	Nodes, Messages, Links, Events, Data      key.Binding
	Back, Left, Right, First, Last            key.Binding
	Filter, Fold, Beats, Copy, Suspend, Abort key.Binding
	DropFrame, HoldFrame, Again, CopyFrame    key.Binding
}

func bind(help, desc string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
}

func newKeyMap() keyMap {
	return keyMap{
		Kill:      bind("x", "kill", "x"),
		Restart:   bind("r", "restart", "r"),
		Pause:     bind("z", "pause", "z"),
		Elect:     bind("t", "time out", "t"),
		Partition: bind("p", "partition", "p"),
		Cut:       bind("c", "cut", "c"),
		Slow:      bind("s", "slow", "s"),
		Lose:      bind("o", "lose", "o"),
		Heal:      bind("h", "heal", "h"),
		Undo:      bind("u", "undo", "u"),
		Add:       bind("a", "add", "a"),
		Remove:    bind("d", "remove", "d"),
		Transfer:  bind("l", "lead", "l"),
		Snapshot:  bind("n", "snapshot", "n"),
		Put:       bind("w", "put", "w"),
		Load:      bind("W", "writes on/off", "W"),
		Hold:      bind("space", "hold", " "),
		Step:      bind(".", "step", "."),
		Slower:    bind("[", "slower", "["),
		Faster:    bind("]", "faster", "]"),
		Palette:   bind(":", "cmd", ":"),
		Help:      bind("?", "help", "?"),
		Quit:      bind("q", "quit", "q"),
		Down:      bind("Q", "stop lab", "Q"),
		Pick:      bind("1-9", "pick", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
		Number:    bind("g", "pick by number", "g"),
		Prev:      bind("up", "up", "up", "k"),
		Next:      bind("down", "down", "down", "j", "tab"),
		Mark:      bind("m", "mark", "m", "v"),
		Detail:    bind("enter", "detail", "enter"),
		Inspect:   bind("i", "inspect", "i"),
		Broken:    bind("!", "what is broken", "!"),
		Nodes:     bind("N", "nodes", "N"),
		Messages:  bind("M", "messages", "M"),
		Links:     bind("L", "links", "L"),
		Events:    bind("E", "events", "E"),
		Data:      bind("D", "data", "D"),
		Back:      bind("esc", "back", "esc", "alt+esc"),
		Left:      bind("left", "scroll log back", "left"),
		Right:     bind("right", "scroll log on", "right"),
		First:     bind("home", "start of log", "home"),
		Last:      bind("end", "follow the end", "end"),
		Filter:    bind("/", "filter", "/"),
		Fold:      bind("f", "fold", "f"),
		Beats:     bind("b", "heartbeats", "b"),
		Copy:      bind("y", "copy line", "y"),
		DropFrame: bind("d", "drop", "d"),
		HoldFrame: bind("b", "hold back", "b"),
		Again:     bind("s", "send again", "s"),
		CopyFrame: bind("y", "copy JSON", "y"),
		Suspend:   bind("ctrl+z", "suspend", "ctrl+z"),
		Abort:     bind("ctrl+c", "quit", "ctrl+c"),
	}
}

// action is what a key does. acts is set for those that change the lab: they
// need a connection and are refused when reading only.
type action struct {
	key  key.Binding
	long string // for the help
	acts bool
	foot footing
	do   func(*model, tea.KeyMsg) tea.Cmd
	in   overlay // where the key does this, before what it does elsewhere; overlayNone: wherever it is free
}

// footing says in which footers a key stands, in the order of the table.
type footing int

const (
	footNone footing = iota
	footHome         // the home view's
	footNode         // that, and the one under a node in detail: it acts on the picked node
)

// actions is the table of all keys, in the order the help shows them.
func (k keyMap) actions() []action {
	return []action{
		{k.Kill, "kill the picked node (SIGKILL); what is unsynced is lost", true, footNode, (*model).kill, overlayNone},
		{k.Restart, "start the picked node again with the data it has", true, footNode, (*model).restart, overlayNone},
		{k.Pause, "pause the picked node (SIGSTOP), or resume it", true, footNode, (*model).pause, overlayNone},
		{k.Elect, "let the picked node's election timer run out now", true, footNode, (*model).elect, overlayNone},
		{k.Transfer, "have the leader hand over to the picked node", true, footNode, (*model).transfer, overlayNone},
		{k.Snapshot, "have the picked node fold its log into a snapshot", true, footNode, (*model).snapshot, overlayNone},
		{k.Add, "add a node: it catches up first, then it votes", true, footHome, (*model).add, overlayNone},
		{k.Remove, "take the picked node out of the cluster (asks)", true, footNode, (*model).remove, overlayNone},
		{k.Partition, "part the marked nodes, or the picked one, from the rest", true, footHome, (*model).partition, overlayNone},
		{k.Cut, "cut links of the picked node", true, footHome, (*model).cut, overlayNone},
		{k.Slow, "slow links down", true, footHome, (*model).slow, overlayNone},
		{k.Lose, "lose some of the messages on links", true, footHome, (*model).lose, overlayNone},
		{k.Heal, "reopen partitions and cuts", true, footHome, (*model).heal, overlayNone},
		{k.Undo, "take back the last change to the network", true, footHome, (*model).undo, overlayNone},
		{k.Put, "write a key", true, footHome, (*model).put, overlayNone},
		{k.Load, "background writes on or off", true, footNone, (*model).load, overlayNone},
		{k.Hold, "hold the lab clock, or release it; nothing is lost", true, footHome, (*model).hold, overlayNone},
		{k.Step, "let a held lab do one thing: a message or a timer", true, footHome, (*model).step, overlayNone},
		{k.Slower, "run the lab clock slower", true, footNone, (*model).slower, overlayNone},
		{k.Faster, "run the lab clock faster", true, footNone, (*model).faster, overlayNone},
		{k.Palette, "run any command line; Tab completes, up has the last", false, footHome, (*model).palette, overlayNone},
		{k.Help, "this help; type to filter, Enter does it", false, footHome, (*model).help, overlayNone},
		{k.Pick, "pick a node", false, footNone, (*model).pick, overlayNone},
		{k.Number, "pick a node by its number", false, footNone, (*model).number, overlayNone},
		{k.Prev, "pick the one above", false, footNone, (*model).prev, overlayNone},
		{k.Next, "pick the one below", false, footNone, (*model).next, overlayNone},
		{k.Mark, "mark the picked node or not, to act on several", false, footNone, (*model).mark, overlayNone},
		{k.Detail, "everything about what is picked", false, footNone, (*model).openDetail, overlayNone},
		{k.Inspect, "everything about a message", false, footNone, (*model).inspect, overlayNone},
		{k.Broken, "promises of Raft that were broken, and what came before", false, footNone, (*model).broken, overlayNone},
		{k.DropFrame, "in a message's detail: drop it", true, footNone, (*model).dropFrame, overlayMessage},
		{k.HoldFrame, "in a message's detail: hold it back, or let it go", true, footNone, (*model).holdFrame, overlayMessage},
		{k.Again, "in a message's detail: send it once more, as it was", true, footNone, (*model).sendAgain, overlayMessage},
		{k.CopyFrame, "in a message's detail: copy it as JSON", false, footNone, (*model).copyFrame, overlayMessage},
		{k.Nodes, "nodes and logs, full size", false, footNone, (*model).showNodes, overlayNone},
		{k.Messages, "messages, full size", false, footNone, (*model).showMessages, overlayNone},
		{k.Links, "links, full size", false, footNone, (*model).showLinks, overlayNone},
		{k.Events, "events, full size", false, footNone, (*model).showEvents, overlayNone},
		{k.Data, "the keys and values each node has applied", false, footNone, (*model).showData, overlayNone},
		{k.Filter, "only messages and events with these words", false, footNone, (*model).filter, overlayNone},
		{k.Fold, "fold routine events, or unfold them", false, footNone, (*model).fold, overlayNone},
		{k.Beats, "list heartbeats: while few, always, never", false, footNone, (*model).beats, overlayNone},
		{k.Left, "scroll the logs back", false, footNone, (*model).scrollLeft, overlayNone},
		{k.Right, "scroll the logs on", false, footNone, (*model).scrollRight, overlayNone},
		{k.First, "scroll the logs to their start", false, footNone, (*model).scrollFirst, overlayNone},
		{k.Last, "follow the logs' end", false, footNone, (*model).scrollLast, overlayNone},
		{k.Copy, "copy the picked or newest event's command line", false, footNone, (*model).copyLine, overlayNone},
		{k.Back, "back; dismisses an error", false, footNone, (*model).back, overlayNone},
		{k.Suspend, "put the view to sleep (fg wakes it)", false, footNone, (*model).suspend, overlayNone},
		{k.Quit, "leave; the lab runs on", false, footHome, (*model).quit, overlayNone},
		{k.Down, "stop the lab and leave (asks)", true, footNone, (*model).down, overlayNone},
		{k.Abort, "leave; the lab runs on", false, footNone, (*model).quit, overlayNone},
	}
}
