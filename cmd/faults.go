package cmd

import (
	"fmt"
	"io"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

func faultsVerb() *verb {
	return &verb{
		name: "faults", usage: "List what is set on the network", category: categoryNet, dry: true,
		about: `Each has a name, which "raftlab heal" takes. Hits are the messages it did
something to. The last column is the command line that set it.`,
		examples: []example{
			{"raftlab faults", "all of them"},
			{"raftlab faults -o json | jq '.faults[].text'", "for scripts"},
		},
		run: func(c *call) error {
			lab, err := c.lab()
			if err != nil {
				return err
			}
			s, err := lab.Status(c.Context.Context)
			if err != nil {
				return err
			}
			if c.format == formatJSONL {
				for _, f := range s.Faults {
					if err := writeJSONLine(c.sh.stdout, f); err != nil {
						return err
					}
				}
				return nil
			}
			var names []string
			for _, f := range s.Faults {
				names = append(names, faultName(f))
			}
			return c.emit(netlab.FaultPage{Schema: netlab.SchemaFaults, Faults: append([]netlab.FaultStatus{}, s.Faults...), Undo: s.Undo}, names, func(w io.Writer) error {
				return faultTable(w, s, c.style)
			})
		},
	}
}

// faultName is a fault as the words of heal name it.
func faultName(f netlab.FaultStatus) string { return fmt.Sprintf("f%d", f.ID) }

// faultTable writes a row for each thing that is set on the network.
func faultTable(w io.Writer, s *netlab.Status, st style) error {
	if len(s.Faults) == 0 {
		return writeLines(w, []string{"nothing is set on the network"})
	}
	t := &table{head: []string{"id", "fault", "on", ">hits", "until", "by"}}
	for _, f := range s.Faults {
		hits, until := u(f.Hits), "-"
		on := netlab.LinkWords(f.Links, s.Links)
		if len(f.Nodes) > 0 {
			on = nodeNames(f.Nodes)
		}
		if f.Verb == "partition" || len(f.Nodes) > 0 {
			hits = "-"
		}
		if f.UntilNS > 0 {
			left := time.Duration(max(f.UntilNS-s.Clock.LabNS, 0))
			until = labTime(f.UntilNS) + fmt.Sprintf(" (in %s)", shortDuration(left.Round(time.Millisecond)))
		}
		t.add(faultName(f), f.Text, on, hits, until, clean(f.Line))
	}
	return t.write(w, st)
}
