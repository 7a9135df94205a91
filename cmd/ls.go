package cmd

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

func lsVerb() *verb {
	return &verb{
		name: "ls", usage: "List the labs on this machine", category: categoryLab,
		examples: []example{{"raftlab ls", "running ones, and what ended without \"raftlab down\""}},
		run: func(c *call) error {
			home, err := netlab.Home()
			if err != nil {
				return err
			}
			labs, err := netlab.List(home)
			if err != nil {
				return err
			}
			var names []string
			for _, l := range labs {
				names = append(names, l.Name)
			}
			out := struct {
				Schema string        `json:"schema"`
				Home   string        `json:"home"`
				Labs   []netlab.Info `json:"labs"`
			}{"raftlab.labs/1", home, append([]netlab.Info{}, labs...)}
			if c.format == formatJSONL {
				for _, l := range labs {
					if err := writeJSONLine(c.sh.stdout, l); err != nil {
						return err
					}
				}
				return nil
			}
			return c.emit(out, names, func(w io.Writer) error {
				if len(labs) == 0 {
					c.talk("no labs; start one:  raftlab up -n 5")
					return nil
				}
				t := &table{head: []string{"name", "state", ">nodes", ">pid", "started", "note"}}
				for _, l := range labs {
					state, pid := "ended", "-"
					if l.Running {
						state, pid = "running", strconv.Itoa(l.Pid)
					}
					started := "-"
					if !l.Started.IsZero() {
						started = l.Started.Local().Format(time.DateTime)
					}
					note := clean(l.Note)
					if len(l.Unsafe) > 0 {
						note = strings.TrimSuffix(c.style.alarm("!! UNSAFE")+": without "+strings.Join(l.Unsafe, ", ")+"; "+note, "; ")
					}
					t.add(l.Name, state, strconv.Itoa(l.Nodes), pid, started, note)
				}
				return t.write(w, c.style)
			})
		},
	}
}
