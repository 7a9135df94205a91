package cmd

import (
	"fmt"
	"io"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

// kvFlags are on every verb that is a client of the cluster.
func kvFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "timeout", Usage: "`D` give up after so much real time: exit code 5", Value: 5 * time.Second},
		&cli.StringFlag{Name: "node", Usage: "`NODE` ask this one and no other", DefaultText: "the leader"},
	}
}

type kvOp struct{ op, key, value, old, node, read string }

// What each operation's JSON holds, in this order (DESIGN §9).
type (
	putJSON struct {
		Key    string  `json:"key"`
		Value  string  `json:"value"`
		Index  uint64  `json:"index"`
		Term   uint64  `json:"term"`
		Leader int     `json:"leader"`
		TookMS float64 `json:"took_ms"`
	}
	getJSON struct {
		Key    string  `json:"key"`
		Value  string  `json:"value"`
		Found  bool    `json:"found"`
		Index  uint64  `json:"index"`
		Node   int     `json:"node"`
		Term   uint64  `json:"term"`
		TookMS float64 `json:"took_ms"`
	}
	delJSON struct {
		Key    string  `json:"key"`
		Found  bool    `json:"found"`
		Index  uint64  `json:"index"`
		Term   uint64  `json:"term"`
		Leader int     `json:"leader"`
		TookMS float64 `json:"took_ms"`
	}
)

// kv runs a client operation and prints its answer.
func (c *call) kv(op kvOp) error {
	timeout := c.Duration("timeout")
	if timeout <= 0 {
		return usageErrorf("--timeout must be longer than 0, not %s", shortDuration(timeout))
	}
	if name := c.String("node"); name != "" {
		words, err := nodeWords([]string{name})
		if err != nil {
			return err
		}
		op.node = words[0]
	}
	lab, err := c.lab()
	if err != nil {
		return err
	}
	res, err := lab.KV(c.Context.Context, netlab.KVOp{
		Op: op.op, Key: op.key, Value: op.value, Old: op.old, Node: op.node, Read: op.read, Timeout: timeout, Line: c.line,
	})
	if err != nil {
		return err
	}
	if op.op == "get" {
		return c.printGet(op, res)
	}
	var v any = putJSON{res.Key, res.Value, res.Index, res.Term, res.Leader, res.TookMS}
	text := fmt.Sprintf("%s=%s", clean(res.Key), clean(res.Value))
	if op.op == "del" {
		v = delJSON{res.Key, res.Found, res.Index, res.Term, res.Leader, res.TookMS}
		text = clean(res.Key) + " is deleted"
		if !res.Found {
			text = clean(res.Key) + " was not there"
		}
	}
	if err := c.emit(v, []string{clean(res.Key)}, func(w io.Writer) error { return writeLines(w, []string{text}) }); err != nil {
		return err
	}
	if c.format == formatTable && c.Bool("verbose") {
		c.talk("committed at index %d, term %d, by leader %s, in %.2f ms", res.Index, res.Term, nodeName(res.Leader), res.TookMS)
	}
	return nil
}

// printGet prints a value alone, as a script wants it, cleaned for a terminal.
func (c *call) printGet(op kvOp, res *netlab.KVResult) error {
	value := res.Value
	if isTerminal(c.sh.stdout) {
		value = clean(value)
	}
	var lines []string
	if res.Found {
		lines = []string{value}
	}
	v := getJSON{res.Key, res.Value, res.Found, res.Index, res.Node, res.Term, res.TookMS}
	if err := c.emit(v, lines, func(w io.Writer) error { return writeLines(w, lines) }); err != nil {
		return err
	}
	if op.read == "stale" && c.format == formatTable {
		c.talk("read at %s, which has applied up to index %d; it may be old", nodeName(res.Node), res.Index)
	}
	switch is := c.String("is"); {
	case !c.IsSet("is"):
	case !res.Found:
		return netlab.Errorf(netlab.ExitCheck, "expected %s to be %q; it is not there", clean(res.Key), is)
	case res.Value != is:
		return netlab.Errorf(netlab.ExitCheck, "expected %s to be %q; read: %q", clean(res.Key), is, res.Value)
	}
	if !res.Found && c.format != formatJSON && c.format != formatJSONL {
		return netlab.Errorf(netlab.ExitFailed, "no key %q", clean(res.Key))
	}
	return nil
}
