package cmd

import (
	"io"
	"strconv"

	"github.com/raftlab/raftlab/netlab"
)

// do asks the lab for op and prints what came of it.
func (c *call) do(op netlab.Op) error {
	op.Line = c.line
	if c.sh.taken != nil {
		c.sh.taken(op)
		return errDry
	}
	lab, err := c.lab()
	if err != nil {
		return err
	}
	res, err := lab.Do(c.Context.Context, op)
	if err != nil {
		return err
	}
	return c.printResult(res)
}

// printResult prints what an operation did: the fact on stdout, what else is
// worth knowing on stderr.
func (c *call) printResult(res *netlab.OpResult) error {
	var ids []string
	for _, id := range res.Nodes {
		ids = append(ids, strconv.Itoa(id))
	}
	if err := c.emit(res, ids, func(w io.Writer) error { return writeLines(w, []string{res.Text}) }); err != nil {
		return err
	}
	if c.format == formatTable {
		for _, n := range res.Notes {
			c.talk("note: %s", n)
		}
	}
	return nil
}

// doNodes is the whole of a verb that does one thing to some nodes.
func doNodes(c *call) error {
	words, err := nodeWords(c.Args().Slice())
	if err != nil {
		return err
	}
	return c.do(netlab.Op{Verb: c.verb.name, Nodes: words})
}

// nodeWords reads node words, so that a wrong one is told before the lab is asked.
func nodeWords(args []string) ([]string, error) {
	parsed, err := netlab.ParseNodes(args)
	if err != nil {
		return nil, err
	}
	words := make([]string, len(parsed))
	for i, w := range parsed {
		words[i] = w.String()
	}
	return words, nil
}

// linkWords reads the words of LINKS, "2->4" included, and returns them as the
// shell's words "2 to 4".
func linkWords(args []string) ([]string, error) {
	l, err := netlab.ParseLinks(args)
	if err != nil {
		return nil, err
	}
	if !l.Both {
		return []string{l.From.String(), "to", l.To.String()}, nil
	}
	if l.To.Group == netlab.WordAll {
		return []string{l.From.String()}, nil
	}
	return []string{l.From.String(), l.To.String()}, nil
}
