package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// format is how data is printed.
type format int

const (
	formatTable format = iota
	formatJSON
	formatJSONL
	formatName
)

func parseFormat(s string) (format, error) {
	switch s {
	case "", "table":
		return formatTable, nil
	case "json":
		return formatJSON, nil
	case "jsonl":
		return formatJSONL, nil
	case "name":
		return formatName, nil
	}
	return 0, usageErrorf("no output format %q; there are table, json, jsonl and name", s)
}

// style says whether to colour.
type style struct{ on bool }

// parseStyle follows --color, then NO_COLOR, CLICOLOR_FORCE and TERM, then
// whether out is a terminal.
func parseStyle(when string, out io.Writer) (style, error) {
	switch when {
	case "always":
		return style{true}, nil
	case "never":
		return style{}, nil
	case "auto", "":
	default:
		return style{}, usageErrorf("--color is auto, always or never, not %q", when)
	}
	if os.Getenv("NO_COLOR") != "" {
		return style{}, nil
	}
	if f := os.Getenv("CLICOLOR_FORCE"); f != "" && f != "0" {
		return style{true}, nil
	}
	return style{os.Getenv("TERM") != "dumb" && isTerminal(out)}, nil
}

func (s style) sgr(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string  { return s.sgr("1", text) }
func (s style) dim(text string) string   { return s.sgr("2", text) }
func (s style) alarm(text string) string { return s.sgr("1;7", text) }

// isTerminal looks through the writers of this package to what is below.
func isTerminal(w io.Writer) bool {
	f, ok := asFile(w)
	return ok && term.IsTerminal(int(f.Fd()))
}

// asFile returns the file that w writes to, if it does.
func asFile(w io.Writer) (*os.File, bool) {
	for {
		if f, ok := w.(*os.File); ok {
			return f, true
		}
		u, ok := w.(interface{ Unwrap() io.Writer })
		if !ok {
			return nil, false
		}
		w = u.Unwrap()
	}
}

// emit prints a verb's result in the format asked for: v as JSON, its names
// a line each, or what table writes.
func (c *call) emit(v any, names []string, table func(io.Writer) error) error {
	switch {
	case c.format == formatJSON:
		return writeJSON(c.sh.stdout, v)
	case c.format == formatJSONL:
		return writeJSONLine(c.sh.stdout, v)
	case c.format == formatName || c.quiet():
		return writeLines(c.sh.stdout, names)
	}
	return table(c.sh.stdout)
}

// writeJSON prints one object for reading by people and programs alike.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// writeJSONLine prints one object on one line.
func writeJSONLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func writeLines(w io.Writer, lines []string) error {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// A table is rows of cells, aligned by what a terminal shows of them. Columns
// whose head starts with > are aligned to the right.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table; the head dimmed, no line longer than its text.
func (t *table) write(w io.Writer, s style) error {
	right := make([]bool, len(t.head))
	head := make([]string, len(t.head))
	widths := make([]int, len(t.head))
	for i, h := range t.head {
		head[i], right[i] = strings.CutPrefix(h, ">")
		widths[i] = ansi.StringWidth(head[i])
	}
	for _, r := range t.rows {
		for i, cell := range r {
			widths[i] = max(widths[i], ansi.StringWidth(cell))
		}
	}
	var b strings.Builder
	line := func(cells []string) string {
		var l strings.Builder
		for i, cell := range cells {
			if i > 0 {
				l.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-ansi.StringWidth(cell))
			if right[i] {
				l.WriteString(pad + cell)
			} else {
				l.WriteString(cell + pad)
			}
		}
		return strings.TrimRight(l.String(), " ")
	}
	b.WriteString(s.dim(line(head)) + "\n")
	for _, r := range t.rows {
		b.WriteString(line(r) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// clean makes a value from a user harmless on a terminal: control bytes are
// escaped, and a value of several lines stays on one.
func clean(s string) string {
	if !strings.ContainsFunc(s, isControl) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 || r == '�' }

// labTime is lab time as people read it: 00:42.312, with hours when there are any.
func labTime(ns int64) string {
	d := time.Duration(ns)
	h, m, s, ms := d/time.Hour, d/time.Minute%60, d/time.Second%60, d/time.Millisecond%1000
	if h > 0 {
		return fmt.Sprintf("%d:%02d:%02d.%03d", h, m, s, ms)
	}
	return fmt.Sprintf("%02d:%02d.%03d", m, s, ms)
}

// shortDuration is 50ms, 2s, 1m30s: a duration as it would be typed.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// number is a float with no more digits than it needs.
func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// nodeName is S3, or - for nobody.
func nodeName(id int) string {
	if id == 0 {
		return "-"
	}
	return "S" + strconv.Itoa(id)
}

func nodeNames(ids []int) string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = nodeName(id)
	}
	return strings.Join(s, " ")
}
