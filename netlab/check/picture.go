package check

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	// pictureMax is how many operations a picture shows: more are not to be read.
	pictureMax = 1000
	// aroundFinding is how many of a key's operations before a contradiction are
	// among them.
	aroundFinding = 150
	// marksMax is how many things that happened are marked.
	marksMax = 300
	// pictureTimeout is how long porcupine may look for the order of one key's
	// operations.
	pictureTimeout = 3 * time.Second
)

// Picture writes porcupine's page of what was read: the operations of each
// client in a row, the order that explains them, and what else happened to the lab. It
// takes a Reading that is closed. shown is how many operations are in it.
func (r *Reading) Picture(out io.Writer) (shown int, err error) {
	ops := r.pictured()
	byKey := make(map[string][]*Operation)
	var keys []string
	for _, op := range ops {
		if byKey[op.Key] == nil {
			keys = append(keys, op.Key)
		}
		byKey[op.Key] = append(byKey[op.Key], op)
	}
	slices.Sort(keys)
	p := &picture{reading: r, end: r.History.place + 1, times: make(map[int64]string)}
	p.rows(ops)
	var parts [][]porcupine.Operation
	models := make(map[string]porcupine.Model)
	for _, key := range keys {
		part, m := p.part(byKey[key])
		if len(part) > 0 {
			parts, models[key] = append(parts, part), m
		}
	}
	m := porcupine.Model{
		Partition: func([]porcupine.Operation) [][]porcupine.Operation { return parts },
		Init:      func() any { return pictureState{} },
		Step: func(state, input, output any) (bool, any) {
			s, op := state.(pictureState), input.(*Operation)
			if s.key == "" {
				s = pictureState{op.Key, models[op.Key].Init()}
			}
			ok, next := models[op.Key].Step(s.of, input, output)
			return ok, pictureState{s.key, next}
		},
		Equal: func(a, b any) bool {
			x, y := a.(pictureState), b.(pictureState)
			return x.key == y.key && (x.key == "" || models[x.key].Equal(x.of, y.of))
		},
		DescribeOperation: func(input, _ any) string { return input.(*Operation).Text() },
		DescribeState: func(state any) string {
			if s := state.(pictureState); s.key != "" {
				return excerpt(s.key) + " is " + s.of.(configs).String()
			}
			return ""
		},
		DescribeOperationMetadata: func(info any) string {
			who, _ := info.(string)
			return html.EscapeString(who)
		},
	}
	_, info := porcupine.CheckOperationsVerbose(m, nil, pictureTimeout)
	info.AddAnnotations(p.annotations())
	var page bytes.Buffer
	if err := porcupine.Visualize(m, info, &page); err != nil {
		return 0, fmt.Errorf("draw the history: %w", err)
	}
	text, err := p.readable(page.String(), len(ops))
	if err != nil {
		return 0, err
	}
	_, err = io.WriteString(out, text)
	return len(ops), err
}

// pictureState is the state of one key's model, and which key that is.
type pictureState struct {
	key string
	of  any
}

type picture struct {
	reading *Reading
	end     int64 // behind everything
	names   []string
	row     map[*Operation]int
	lost    []*Operation
	times   map[int64]string // by place
	from    int64            // the first place that is shown
}

// pictured are the operations to show: those around contradictions, and the
// newest.
func (r *Reading) pictured() []*Operation {
	want := make(map[*Operation]bool)
	claims := slices.DeleteFunc(slices.Clone(r.Operations), func(o *Operation) bool {
		return !o.claims() || o.Outcome == Failed || o.Outcome != Answered && !o.writes()
	})
	if len(claims) <= pictureMax {
		return claims
	}
	for _, f := range r.History.Report().Findings {
		n, after := 0, false
		for i := len(claims) - 1; i >= 0 && n < aroundFinding && len(want) < pictureMax; i-- {
			op := claims[i]
			after = after || len(f.IDs) > 0 && op.ID == f.IDs[0]
			if after && op.Key == f.Key {
				want[op] = true
				n++
			}
		}
	}
	for i := len(claims) - 1; i >= 0 && len(want) < pictureMax; i-- {
		want[claims[i]] = true
	}
	return slices.DeleteFunc(claims, func(o *Operation) bool { return !want[o] })
}

// rows gives each operation a row: a client's own, and another one where the client
// asks again while an operation of it has no answer.
func (p *picture) rows(ops []*Operation) {
	type row struct {
		client string
		number int
		free   int64 // from this place on
	}
	var rows []*row
	of := make(map[*Operation]*row)
	for _, op := range ops {
		var mine *row
		n := 1
		for _, r := range rows {
			if r.client != op.Client {
				continue
			}
			n++
			if r.free < op.Called && mine == nil {
				mine = r
			}
		}
		if mine == nil {
			mine = &row{client: op.Client, number: n}
			rows = append(rows, mine)
		}
		mine.free = op.end()
		of[op] = mine
	}
	slices.SortFunc(rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(len(a.client), len(b.client)), cmp.Compare(a.client, b.client), cmp.Compare(a.number, b.number))
	})
	at := make(map[*row]int)
	for i, r := range rows {
		at[r] = i
		name := r.client
		if r.number > 1 {
			name += fmt.Sprintf(" (%d)", r.number)
		}
		p.names = append(p.names, name)
	}
	p.row = make(map[*Operation]int)
	for op, r := range of {
		p.row[op] = at[r]
	}
}

// part is one key's operations and their model. What was lost is shown and not
// put in order.
func (p *picture) part(ops []*Operation) ([]porcupine.Operation, porcupine.Model) {
	var lost []*Operation
	var out []porcupine.Operation
	first := ops[0].Called
	for _, op := range p.reading.Operations {
		// Also those that are too old to be shown may take effect.
		if op.Key == ops[0].Key && op.writes() && op.Outcome != Answered && op.Outcome != Failed && len(lost) < maxLost {
			lost = append(lost, op)
		}
	}
	whole := true
	for _, op := range p.reading.Operations {
		if op.Key == ops[0].Key && op.claims() && op.Outcome == Answered && op.Called < first {
			whole = false
		}
	}
	for _, op := range ops {
		p.times[op.Called] = Seconds(op.CalledNS)
		if op.Outcome != Answered {
			p.lost = append(p.lost, op)
			continue
		}
		p.times[op.Returned] = Seconds(op.ReturnedNS)
		out = append(out, porcupine.Operation{
			ClientId: p.row[op], Input: op, Call: op.Called, Return: op.Returned, Metadata: op.when(),
		})
	}
	start := configs{{reg: register{unknown: !whole || !p.reading.History.fresh}}}
	if len(out) == 0 {
		// Porcupine does not draw a row of its own for what it is not told of.
		return nil, porcupine.Model{}
	}
	m, _ := model(start, lost)
	return out, m
}

// annotations are lost operations, and what happened to the lab.
func (p *picture) annotations() []porcupine.Annotation {
	var out []porcupine.Annotation
	p.from = p.end
	for at := range p.times {
		p.from = min(p.from, at)
	}
	for _, op := range p.lost {
		out = append(out, porcupine.Annotation{
			ClientId: p.row[op], Start: op.Called, End: p.end, Description: op.Text(),
			Details:         op.when() + ": it may have taken effect at any time since, or never",
			BackgroundColor: "#e8e8e8", TextColor: "#555555",
		})
	}
	colors := map[string][2]string{
		"fault": {"#ffd9b3", "#663300"}, "process": {"#ffcccc", "#660000"}, "elected": {"#cce0ff", "#002266"},
		"clock": {"#e6d9ff", "#330066"}, "violation": {"#cc0000", "#ffffff"},
	}
	rows := map[string]string{"fault": "network", "process": "nodes", "elected": "leaders", "clock": "clock", "violation": "VIOLATION"}
	marks := p.reading.Marks
	if n := len(marks); n > marksMax {
		marks = marks[n-marksMax:]
	}
	type spot struct {
		row string
		at  int64
	}
	at := make(map[spot]int) // in out: what comes at one place is one annotation
	for _, m := range marks {
		if m.Place+1 < p.from {
			continue
		}
		row, c := rows[m.Kind], colors[m.Kind]
		if row == "" {
			row = m.Kind
		}
		s := spot{row, max(m.Place, p.from)}
		details := Seconds(m.LabNS) + "  " + m.Text
		if i, ok := at[s]; ok {
			out[i].Description = shorten(out[i].Description + "; " + m.Text)
			out[i].Details += ";  " + details
			continue
		}
		at[s] = len(out)
		out = append(out, porcupine.Annotation{
			Tag: row, Start: s.at, Description: shorten(m.Text), Details: details, BackgroundColor: c[0], TextColor: c[1],
		})
	}
	return out
}

// shorten cuts what a mark says to what a box takes.
func shorten(text string) string {
	const most = 70
	r := []rune(text)
	if len(r) <= most {
		return text
	}
	return string(r[:most-3]) + "..."
}

var originalTime = regexp.MustCompile(`"(OriginalStart|OriginalEnd)":"(-?\d+)"`)

// readable gives porcupine's page what it has no words for: who the clients
// are, lab time, and whose history it is.
func (p *picture) readable(page string, shown int) (string, error) {
	replace := func(old, by string) error {
		if !strings.Contains(page, old) {
			return fmt.Errorf("draw the history: porcupine's page has no %q any more", old)
		}
		page = strings.ReplaceAll(page, old, by)
		return nil
	}
	names, err := json.Marshal(p.names)
	if err != nil {
		return "", err
	}
	page = originalTime.ReplaceAllStringFunc(page, func(s string) string {
		m := originalTime.FindStringSubmatch(s)
		at, _ := strconv.ParseInt(m[2], 10, 64) // digits, by the expression
		text, ok := p.times[at]
		if !ok {
			text = "no answer"
		}
		return `"` + m[1] + `":"` + text + `"`
	})
	report := p.reading.History.Report()
	title := "raftlab: client history"
	if runs := p.reading.Runs; len(runs) > 0 {
		last := runs[len(runs)-1]
		title = fmt.Sprintf("raftlab: history of lab %s, seed %d", last.Lab, last.Seed)
	}
	head := fmt.Sprintf("<h1>%s</h1>\n<p>Verdict: <b>%s</b>. %d %s judged on %d %s",
		html.EscapeString(title), html.EscapeString(report.Verdict), report.Judged, plural(int(report.Judged), "operation"), report.Keys, plural(report.Keys, "key"))
	if shown < int(report.Operations) {
		head += fmt.Sprintf("; the %d newest and those around contradictions are shown", shown)
	}
	head += ". A row is a client: left is earlier, times are lab time, a line where an operation took effect. Grey: no answer came. Below: what happened to the lab. Point at something to read more.</p>\n"
	for i, f := range report.Findings {
		if i == 3 {
			head += fmt.Sprintf("<p>and %d more.</p>\n", len(report.Findings)-i)
			break
		}
		head += `<p class="violation">` + html.EscapeString(Seconds(f.LabNS)+": "+f.Message) + "</p>\n"
	}
	const style = `body { font-family: sans-serif; margin: 56px 12px 12px 12px; } #canvas { margin-top: 8px !important; } h1 { font-size: 18px; } p { font-size: 13px; max-width: 75em; } .violation { color: #aa0000; } `
	for _, c := range [][2]string{
		{"<title>Porcupine</title>", "<title>" + html.EscapeString(title) + "</title>"},
		{"i < realClients ? i.toString() :", "i < realClients ? (rowNames[i] ?? i.toString()) :"},
		{"i < realClients ? i :", "i < realClients ? (rowNames[i] ?? i) :"},
		{">Valid LP<", ">possible<"},
		{">Invalid LP<", ">impossible<"},
		{"<style>", "<style>\n" + style},
		{`<div id="legend">`, head + `<div id="legend">`},
		{"      const data = ", "      const rowNames = " + string(names) + "\n\n      const data = "},
	} {
		if err := replace(c[0], c[1]); err != nil {
			return "", err
		}
	}
	return page, nil
}
