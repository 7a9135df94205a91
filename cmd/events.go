package cmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func eventsVerb() *verb {
	return &verb{
		name: "events", usage: "Show what happened, a sentence an event", category: categoryWatch, dry: true,
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on until Ctrl-C"},
			&cli.DurationFlag{Name: "since", Usage: "`D` only those of the last so much lab time"},
			&cli.StringSliceFlag{Name: "kind", Usage: "`KIND,..` only events of these kinds"},
		},
		about: `Routine events, such as appends under load, are left out of the table; -v shows
them too, all with their numbers, and so does --kind, without; -o json and jsonl always
do. With -f alone it starts now. The kinds are role timeout term vote elected append truncate refuse commit
config snapshot transfer read process fault clock client break note violation.`,
		examples: []example{
			{"raftlab events --since 10s", "the last ten seconds of lab time"},
			{"raftlab events -f", "from now on"},
			{"raftlab events --kind config,snapshot", "how the members and the snapshots went"},
			{"raftlab events -o jsonl | jq -r .text", "for scripts"},
		},
		run: func(c *call) error {
			since := c.Duration("since")
			if since < 0 || c.IsSet("since") && since == 0 {
				return usageErrorf("--since wants a length of time like 10s, not %s", shortDuration(since))
			}
			kinds, err := parseKinds(c.StringSlice("kind"))
			if err != nil {
				return err
			}
			if c.Bool("follow") && c.sh.embedded {
				return usageErrorf("events -f works on the command line only, not inside a scenario or the palette")
			}
			lab, err := c.lab()
			if err != nil {
				return err
			}
			ctx := c.Context.Context
			status, err := lab.Status(ctx)
			if err != nil {
				return err
			}
			after := uint64(0)
			p := &eventPrinter{c: c, kinds: kinds}
			if !c.Bool("follow") || c.IsSet("since") {
				q := netlab.EventQuery{}
				if since > 0 {
					q.SinceNS = max(status.Clock.LabNS-int64(since), 0)
				}
				if after, err = p.stored(ctx, lab, q, status.LastEvent); err != nil {
					return err
				}
			} else {
				after = status.LastEvent
			}
			if c.Bool("follow") {
				return followEvents(c, lab, kinds, after)
			}
			return p.finish()
		},
	}
}

// eventKinds are the kinds of events, as --kind names them.
var eventKinds = []string{
	netlab.EventRole, netlab.EventTimeout, netlab.EventTerm, netlab.EventVote, netlab.EventElected,
	netlab.EventAppend, netlab.EventTruncate, netlab.EventRefuse, netlab.EventCommit,
	netlab.EventConfig, netlab.EventSnapshot, netlab.EventTransfer, netlab.EventRead,
	netlab.EventProcess, netlab.EventFault, netlab.EventClock, netlab.EventClient, netlab.EventBreak, netlab.EventNote, netlab.EventViolation,
}

// parseKinds reads the kinds that --kind names.
func parseKinds(words []string) ([]string, error) {
	var kinds []string
	for _, word := range words {
		for _, kind := range strings.FieldsFunc(word, func(r rune) bool { return r == ',' || r == ' ' }) {
			if !slices.Contains(eventKinds, kind) {
				e := usageErrorf("no event is of kind %q", clean(kind))
				if s := nearest(kind, eventKinds); s != "" {
					e = usageErrorf("no event is of kind %q; did you mean %s?", clean(kind), s)
				}
				return nil, e.WithHint("kinds: %s", strings.Join(eventKinds, " "))
			}
			kinds = append(kinds, kind)
		}
	}
	return kinds, nil
}

// An eventPrinter prints events in the format of its call.
type eventPrinter struct {
	c     *call
	kinds []string       // none: all
	all   []netlab.Event // for -o json, which is one object
}

// stored prints the events that q asks for and returns the number of the last
// one printed, last when there was none.
func (p *eventPrinter) stored(ctx context.Context, lab *netlab.Client, q netlab.EventQuery, last uint64) (uint64, error) {
	for {
		page, err := lab.Events(ctx, q)
		if err != nil {
			return q.After, err
		}
		if len(page) == 0 {
			return max(q.After, last), nil
		}
		if err := p.print(page); err != nil {
			return q.After, err
		}
		if q.After = page[len(page)-1].ID; q.After >= last {
			return q.After, nil
		}
	}
}

func (p *eventPrinter) print(events []netlab.Event) error {
	c := p.c
	var b strings.Builder
	if c.format == formatTable && len(events) > 1 {
		// For people in the order in which things happened, not in which the lab
		// heard of them; the numbers, which scripts go by, are in the latter.
		events = slices.Clone(events)
		slices.SortStableFunc(events, func(a, b netlab.Event) int { return cmp.Compare(a.LabNS, b.LabNS) })
	}
	for _, e := range events {
		switch {
		case len(p.kinds) > 0 && !slices.Contains(p.kinds, e.Kind):
		case c.format == formatJSON:
			p.all = append(p.all, e)
		case c.format == formatJSONL:
			if err := writeJSONLine(&b, e); err != nil {
				return err
			}
		case c.format == formatName || c.quiet():
			fmt.Fprintln(&b, e.ID)
		case !e.Minor || c.Bool("verbose") || len(p.kinds) > 0:
			if c.Bool("verbose") { // as a check names them
				fmt.Fprintf(&b, "%6d  ", e.ID)
			}
			b.WriteString(eventLine(e, c.style) + "\n")
		}
	}
	_, err := io.WriteString(c.sh.stdout, b.String())
	return err
}

// finish prints what could only be printed whole.
func (p *eventPrinter) finish() error {
	if p.c.format != formatJSON {
		return nil
	}
	return writeJSON(p.c.sh.stdout, struct {
		Schema string         `json:"schema"`
		Events []netlab.Event `json:"events"`
	}{"raftlab.events/1", append([]netlab.Event{}, p.all...)})
}

// eventLine is an event as people read it: time, who, what, and the command
// that caused it.
func eventLine(e netlab.Event, st style) string {
	who := "lab"
	switch {
	case e.Node != 0:
		who = nodeName(e.Node)
	case e.Kind == netlab.EventFault:
		who = "net"
	case e.Kind == netlab.EventClock || e.Kind == netlab.EventBreak:
		who = "clk"
	}
	line := fmt.Sprintf("%s %-3s %s", st.dim(labTime(e.LabNS)), who, clean(e.Text))
	if e.Kind == netlab.EventViolation {
		line = fmt.Sprintf("%s %-3s %s", st.dim(labTime(e.LabNS)), who, st.alarm("!! "+clean(e.Text)))
	}
	if e.Line != "" {
		line += st.dim("  (you: " + clean(e.Line) + ")")
	}
	return line
}

// followEvents prints events of some kinds, all when none is named, as they
// come; those after the given number first.
func followEvents(c *call, lab *netlab.Client, kinds []string, after uint64) error {
	if c.format == formatJSON {
		c.format = formatJSONL // of a stream only lines can be read
	}
	p := &eventPrinter{c: c, kinds: kinds}
	// When the stream leaves events out, to keep up, they are fetched from the store.
	catchUp := func(ctx context.Context, last uint64) error {
		var err error
		after, err = p.stored(ctx, lab, netlab.EventQuery{After: after}, last)
		return err
	}
	return c.stream(lab, 100*time.Millisecond, func(ctx context.Context, u netlab.Update) error {
		if u.Status != nil && u.Status.LastEvent > after {
			if err := catchUp(ctx, u.Status.LastEvent); err != nil {
				return err
			}
		}
		for i, e := range u.Events {
			if e.ID <= after {
				continue
			}
			if e.ID > after+1 {
				if err := catchUp(ctx, u.Events[len(u.Events)-1].ID); err != nil {
					return err
				}
				continue
			}
			if err := p.print(u.Events[i : i+1]); err != nil {
				return err
			}
			after = e.ID
		}
		if u.Missed > 0 && u.Lab != nil && u.Lab.LastEvent > after {
			return catchUp(ctx, u.Lab.LastEvent)
		}
		return nil
	})
}
