package cmd

import (
	"io"
	"slices"
	"strconv"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

// diskModes are what a disk can be made, as the line names it and in words.
func diskModes() []candidate {
	return []candidate{
		{netlab.DiskSlow, "a sync takes a while: disk 3 slow 20ms~5ms"},
		{netlab.DiskFail, "the next sync fails"},
		{netlab.DiskLie, "a sync says that it is done and is not"},
		{netlab.DiskFull, "no room is left"},
		{netlab.DiskTorn, "the next write gets there in part, and a kill leaves it so"},
		{netlab.DiskFlip, "a bit is flipped, in an entry or a byte"},
		{netlab.DiskOK, "all right again"},
	}
}

func diskVerb() *verb {
	return &verb{
		name: "disk", args: "[NODE.. MODE]", usage: "Make the disks of nodes slow, failing, lying or full", category: categoryNodes, dry: true,
		min: 0, max: -1, words: []word{wordNodeOrDisk},
		flags: []cli.Flag{
			&cli.Uint64Flag{Name: "index", Usage: "`I` flip: a bit of this entry"},
			&cli.StringFlag{Name: "file", Usage: "`NAME` flip: OFFSET is in this file of the node's data", DefaultText: "the log's last"},
		},
		about: `Without NODE it lists what is wrong with which disk. MODE is

  slow DELAY[~JITTER]  a sync takes DELAY of lab time, give or take up to JITTER
  fail                 the next sync of the log fails. The node stops and says so:
                       after a failed sync nobody can tell what is on a disk, so it
                       is never tried again. With "restart" the node starts from
                       what was synced before
  lie                  a sync says that it is done, and is not. A kill loses what
                       was written since; what the node had answered for may be
                       gone with it, and the lab says so when it comes back
  full                 no room is left, be it for overwriting. The node stops at its
                       next write, as databases do that must not lose one: it could
                       neither answer for it nor take it back. Reads end with it
  torn                 the next write of the log gets to the disk in part and hangs
                       there until the node is killed: then half of it is what a
                       power cut left. The restart cuts the torn tail and says so
  flip [OFFSET]        a bit is flipped in the files, at once: in byte OFFSET, in
                       entry --index, or in any entry. Whoever reads it refuses the
                       damage with file and offset; "wipe" and "restart" repair it
  ok                   all right again; what a lie had kept back is on the disk then

A disk keeps its fault over a restart, but for fail and torn, which are spent with the
node's process. "raftlab heal --all" makes all disks right. A kill loses what was
written and not synced; "raftlab stop" loses nothing.`,
		examples: []example{
			{"raftlab disk 3 slow 20ms~5ms", "15 to 25 ms a sync"},
			{"raftlab disk leader fail", "the leader stops at its next write"},
			{"raftlab disk 2 lie", "then: put x 1, kill 2, restart 2"},
			{"raftlab disk 3 flip --index 7", "then: restart 3"},
			{"raftlab disk all ok", "no disk is in the way"},
		},
		run: func(c *call) error {
			args := c.Args().Slice()
			flips := c.IsSet("index") || c.IsSet("file")
			if len(args) == 0 && !flips {
				return listDisks(c)
			}
			op, err := diskOp(c, args)
			if err != nil {
				return err
			}
			if flips && op.Disk != netlab.DiskFlip {
				return usageErrorf("--index and --file say where a bit is to be flipped: they go with flip").WithHint("raftlab disk 3 flip --index 7")
			}
			return c.do(op)
		},
	}
}

// diskOp reads NODE.. MODE [DELAY | OFFSET].
func diskOp(c *call, args []string) (netlab.Op, error) {
	op := netlab.Op{Verb: "disk"}
	at := slices.IndexFunc(args, func(w string) bool {
		return slices.ContainsFunc(diskModes(), func(m candidate) bool { return m.word == w })
	})
	if at < 0 {
		last := ""
		if len(args) > 1 {
			last = args[len(args)-1]
		}
		e := usageErrorf("disk wants nodes and then one of slow, fail, lie, full, torn, flip, ok")
		if s := nearest(last, modeWords(diskModes())); s != "" {
			e = usageErrorf("a disk cannot be %q; did you mean %s?", clean(last), s)
		} else if last != "" {
			e = usageErrorf("a disk cannot be %q, only: slow, fail, lie, full, torn, flip, ok", clean(last))
		}
		return op, e.WithHint("for example:  raftlab disk 3 slow 20ms")
	}
	nodes, err := nodeWords(args[:at])
	if err != nil {
		return op, err
	}
	op.Nodes, op.Disk = nodes, args[at]
	rest := args[at+1:]
	switch {
	case op.Disk == netlab.DiskSlow && len(rest) == 1:
		if op.Delay, op.Jitter, err = parseDelay(rest[0]); err != nil {
			return op, usageErrorf("how long a sync takes is like 20ms or 20ms~5ms, and %q is not", clean(rest[0])).WithHint("for example:  raftlab disk 3 slow 20ms~5ms")
		}
	case op.Disk == netlab.DiskSlow:
		return op, usageErrorf("a slow disk wants how long a sync takes, and nothing else").WithHint("for example:  raftlab disk 3 slow 20ms~5ms")
	case op.Disk == netlab.DiskFlip && len(rest) == 1:
		offset, err := strconv.ParseInt(rest[0], 10, 64)
		if err != nil || offset < 0 {
			return op, usageErrorf("the byte in which a bit is to be flipped is a number from 0 on, and %q is not", clean(rest[0])).WithHint("raftlab disk 3 flip 4096")
		}
		op.Offset = &offset
	case len(rest) > 0:
		return op, usageErrorf("%s is too much behind %s", quoteWords(rest), op.Disk).WithHint("raftlab disk 3 %s", op.Disk)
	}
	if op.Disk == netlab.DiskFlip {
		if c.IsSet("index") && (op.Offset != nil || c.Uint64("index") == 0) {
			return op, usageErrorf("a bit is flipped in an entry from 1 on, or in a byte: --index or OFFSET").WithHint("raftlab disk 3 flip --index 7")
		}
		if c.IsSet("file") && op.Offset == nil {
			return op, usageErrorf("--file wants the byte in it").WithHint("raftlab disk 3 flip 4096 --file 00000001.wal")
		}
		op.Index, op.File = c.Uint64("index"), c.String("file")
	}
	return op, nil
}

func modeWords(list []candidate) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.word)
	}
	return out
}

// diskJSON is what -o json tells of the disks.
type diskJSON struct {
	Schema string     `json:"schema"`
	Disks  []diskLine `json:"disks"`
}

type diskLine struct {
	Node int `json:"node"`
	netlab.DiskStatus
}

// listDisks shows what is wrong with which disk.
func listDisks(c *call) error {
	lab, err := c.lab()
	if err != nil {
		return err
	}
	s, err := lab.Status(c.Context.Context)
	if err != nil {
		return err
	}
	list := diskJSON{Schema: "raftlab.disks/1", Disks: []diskLine{}}
	var ids []string
	t := &table{head: []string{"node", "disk", "what that means"}}
	for _, n := range s.Nodes {
		d := netlab.DiskStatus{Mode: netlab.DiskOK}
		if n.Disk != nil {
			d = *n.Disk
			ids = append(ids, strconv.Itoa(n.ID))
		}
		list.Disks = append(list.Disks, diskLine{n.ID, d})
		t.add(nodeName(n.ID), d.Mode, d.Text)
	}
	return c.emit(list, ids, func(w io.Writer) error { return t.write(w, c.style) })
}
