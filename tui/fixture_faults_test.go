package tui

import "github.com/raftlab/raftlab/netlab"

// faulty is three nodes whose links have one of everything, and two messages
// that somebody holds.
func faulty() (netlab.Update, netlab.Update) {
	before, after := quiet()
	st := before.Status
	now := st.Clock.LabNS
	set := map[[2]int]netlab.LinkStatus{
		{1, 2}: {Duplicate: .05, Set: "duplicate 5%"},
		{1, 3}: {Set: "cut --kind append --next 1"},
		{2, 1}: {DelayMS: 20, Loss: .1, Corrupt: .01, Set: "slow 20ms, lose 10%, corrupt 1%"},
		{2, 3}: {OnHold: 2, Held: 2, Set: "frame hold --kind append"},
		{3, 1}: {Reorder: .5, RateBytes: 64 << 10, Set: "reorder 50%, throttle 64KiB/s"},
		{3, 2}: {DelayMS: 20, Set: "slow 20ms"},
	}
	for i := range st.Links {
		l := &st.Links[i]
		f := set[[2]int{l.From, l.To}]
		f.From, f.To, f.Sent, f.Delivered, f.FlightNS = l.From, l.To, l.Sent, l.Delivered, l.FlightNS
		*l = f
	}
	st.Faults = []netlab.FaultStatus{
		{ID: 1, Verb: "slow", Text: "slow 20ms", Links: [][2]int{{2, 1}, {3, 2}}, Hits: 14_120},
		{ID: 2, Verb: "cut", Text: "cut --kind append --next 1", Links: [][2]int{{1, 3}}},
		{ID: 3, Verb: "duplicate", Text: "duplicate 5%", Links: [][2]int{{1, 2}}, Hits: 7, UntilNS: now + 1_500*msNS},
		{ID: 4, Verb: "frame hold", Text: "frame hold --kind append", Links: [][2]int{{2, 3}}, Hits: 2},
		{ID: 6, Verb: "lose", Text: "lose 10%", Links: [][2]int{{2, 1}}, Hits: 31},
		{ID: 7, Verb: "corrupt", Text: "corrupt 1%", Links: [][2]int{{2, 1}}},
		{ID: 8, Verb: "reorder", Text: "reorder 50%", Links: [][2]int{{3, 1}}, Hits: 212},
		{ID: 11, Verb: "throttle", Text: "throttle 64KiB/s", Links: [][2]int{{3, 1}}, Hits: 3},
		{ID: 12, Verb: "disk", Text: "disk slow 20ms", Links: [][2]int{}, Nodes: []int{2}},
	}
	after.Frames = []netlab.Frame{
		{ID: 1, From: 2, To: 3, Kind: "append", Term: 1, PrevIndex: 4, Entries: 1, LeftNS: now - 4000*msNS, DueNS: now - 4000*msNS, Held: true, Fault: 4},
		{ID: 2, From: 2, To: 3, Kind: "heartbeat", Term: 1, PrevIndex: 5, LeftNS: now - 3000*msNS, DueNS: now - 3000*msNS, Held: true},
		{ID: 3, From: 1, To: 3, Kind: "vote", Term: 1, LeftNS: now - 2000*msNS, DueNS: now - 2000*msNS, DroppedNS: now - 2000*msNS, Reason: "cut", Fault: 2},
	}
	return before, after
}
