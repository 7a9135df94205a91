package cmd

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// clockJSON is what -o json tells of the clocks.
type clockJSON struct {
	Schema string      `json:"schema"`
	LabNS  int64       `json:"lab_ns"`
	Clocks []clockLine `json:"clocks"`
}

type clockLine struct {
	Node   int     `json:"node"`
	Rate   float64 `json:"rate"`
	SkewNS int64   `json:"skew_ns"`
}

func clockVerb() *verb {
	return &verb{
		name: "clock", args: "[NODE.. rate R | skew D | ok]", usage: "Make the clocks of nodes fast, slow or wrong", category: categoryClock, dry: true,
		min: 0, max: -1, words: []word{wordNodeOrClock},
		about: `A node goes by its own clock, for its timers and for its lease. With rate it runs R
times as fast as the lab's from now on; with skew it is D ahead of it, or behind, and
keeps its rate. A clock never goes back: with a skew that would make it, it stands
until what it shows is right. The lab clock's rate and hold are for all of them.

A leader's lease (thesis §6.4.1) counts on no clock running a tenth faster than its
own. Make that untrue, and it reads what is old.

Without NODE it lists all clocks. "raftlab heal --all" has all of them right. A node
that is restarted finds its clock as it was.`,
		examples: []example{
			{"raftlab clock 3 rate 1.2", "S3's timers run out sooner than it thinks"},
			{"raftlab clock leader rate 0.1", "its lease lasts ten times too long"},
			{"raftlab clock 2 skew 30ms", "30 ms ahead: what is due by then is due at once"},
			{"raftlab clock 2 skew -30ms", "it stands for 30 ms"},
			{"raftlab clock all ok", "lab time for everybody"},
		},
		run: func(c *call) error {
			args := c.Args().Slice()
			if len(args) == 0 {
				return listClocks(c)
			}
			op, err := clockOp(args)
			if err != nil {
				return err
			}
			return c.do(op)
		},
	}
}

func clockOp(args []string) (netlab.Op, error) {
	op := netlab.Op{Verb: "clock"}
	at := slices.IndexFunc(args, func(w string) bool { return slices.Contains(modeWords(clockModes()), w) })
	if at < 0 {
		return op, usageErrorf("clock wants nodes and then a rate, a skew, or ok").WithHint("raftlab clock 3 rate 1.2")
	}
	nodes, err := nodeWords(args[:at])
	if err != nil {
		return op, err
	}
	op.Nodes, op.Action = nodes, args[at]
	rest := args[at+1:]
	switch {
	case op.Action == netlab.ClockOK && len(rest) > 0:
		return op, usageErrorf("%s is too much behind ok", quoteWords(rest)).WithHint("raftlab clock 3 ok")
	case op.Action == netlab.ClockOK:
	case len(rest) != 1:
		return op, usageErrorf("%s wants one word behind it", op.Action).WithHint("raftlab clock 3 rate 1.2; raftlab clock 3 skew -30ms")
	case op.Action == netlab.ClockRate:
		if op.Rate, err = parseClockRate(rest[0]); err != nil {
			return op, err
		}
	default:
		if op.Skew, err = time.ParseDuration(rest[0]); err != nil {
			return op, usageErrorf("a skew is a time like 30ms or -30ms, and %q is none", clean(rest[0])).WithHint("raftlab clock 3 skew 30ms")
		}
	}
	return op, nil
}

// parseClockRate reads how fast a node's clock runs.
func parseClockRate(word string) (float64, error) {
	rate, err := strconv.ParseFloat(strings.TrimSuffix(word, "x"), 64)
	if err != nil || !(rate >= netlab.SpeedMin && rate <= netlab.SpeedMax) {
		return 0, usageErrorf("a clock's rate is a number from %g to %g, and %q is not", float64(netlab.SpeedMin), float64(netlab.SpeedMax), clean(word)).WithHint("raftlab clock 3 rate 1.2; raftlab pause 3 stops a node")
	}
	return rate, nil
}

func listClocks(c *call) error {
	lab, err := c.lab()
	if err != nil {
		return err
	}
	s, err := lab.Status(c.Context.Context)
	if err != nil {
		return err
	}
	list := clockJSON{Schema: "raftlab.clocks/1", LabNS: s.Clock.LabNS, Clocks: []clockLine{}}
	var ids []string
	t := &table{head: []string{"node", ">rate", ">ahead by"}}
	for _, n := range s.Nodes {
		if n.ClockRate != 1 || n.SkewNS != 0 {
			ids = append(ids, strconv.Itoa(n.ID))
		}
		list.Clocks = append(list.Clocks, clockLine{n.ID, n.ClockRate, n.SkewNS})
		t.add(nodeName(n.ID), number(n.ClockRate), time.Duration(n.SkewNS).Round(time.Microsecond).String())
	}
	return c.emit(list, ids, func(w io.Writer) error { return t.write(w, c.style) })
}

func clockModes() []candidate {
	return []candidate{
		{netlab.ClockRate, "times as fast as the lab's: rate 1.2"},
		{netlab.ClockSkew, "ahead of the lab's, or behind: skew -30ms"},
		{netlab.ClockOK, "lab time again"},
	}
}
