package cmd

import (
	"io"

	"github.com/raftlab/raftlab/netlab"
)

func linksVerb() *verb {
	return &verb{
		name: "links", args: "[LINKS]", usage: "Show what is set on links and what passed them", category: categoryNet, dry: true,
		max: 3, words: []word{wordLink},
		about: `One row for each direction. Flight is the median time of the last messages
delivered, in lab time; waiting are messages in the network now, and held those of
them that wait until somebody lets them go.`,
		examples: []example{
			{"raftlab links", "all of them"},
			{"raftlab links 1 to 2", "what S1 sends to S2"},
			{"raftlab links leader", "all links of the leader"},
		},
		run: func(c *call) error {
			want := netlab.Links{From: netlab.NodeWord{Group: netlab.WordAll}, To: netlab.NodeWord{Group: netlab.WordAll}, Both: true}
			var err error
			if c.Args().Present() {
				if want, err = netlab.ParseLinks(c.Args().Slice()); err != nil {
					return err
				}
			}
			lab, err := c.lab()
			if err != nil {
				return err
			}
			s, err := lab.Status(c.Context.Context)
			if err != nil {
				return err
			}
			links, err := pickLinks(s, want)
			if err != nil {
				return err
			}
			return printLinks(c, links)
		},
	}
}

// pickLinks returns the links of the status that the words name.
func pickLinks(s *netlab.Status, want netlab.Links) ([]netlab.LinkStatus, error) {
	ends := [2]map[int]bool{}
	for i, w := range []netlab.NodeWord{want.From, want.To} {
		part, err := pick(s, []netlab.NodeWord{w})
		if err != nil {
			return nil, err
		}
		ends[i] = make(map[int]bool)
		for _, n := range part.Nodes {
			ends[i][n.ID] = true
		}
	}
	var out []netlab.LinkStatus
	for _, l := range s.Links {
		if ends[0][l.From] && ends[1][l.To] || want.Both && ends[1][l.From] && ends[0][l.To] {
			out = append(out, l)
		}
	}
	return out, nil
}

func printLinks(c *call, links []netlab.LinkStatus) error {
	if c.format == formatJSONL {
		for _, l := range links {
			if err := writeJSONLine(c.sh.stdout, l); err != nil {
				return err
			}
		}
		return nil
	}
	var names []string
	for _, l := range links {
		names = append(names, linkName(l))
	}
	return c.emit(struct {
		Schema string              `json:"schema"`
		Links  []netlab.LinkStatus `json:"links"`
	}{"raftlab.links/1", append([]netlab.LinkStatus{}, links...)}, names, func(w io.Writer) error {
		return linkTable(w, links, c.style)
	})
}
