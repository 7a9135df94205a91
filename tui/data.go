package tui

import (
	"slices"
	"strconv"
	"strings"
)

// drawData compares what the nodes' state machines hold, key by key. Keys on
// which they differ come first; a node that is behind is not wrong.
func drawData(p *picture, pn pane) {
	keys := map[string]bool{}
	for _, d := range p.ui.dumps {
		if d.dump != nil {
			for _, pair := range d.dump.Pairs {
				keys[pair.Key] = true
			}
		}
	}
	const keyW = 14
	n := len(p.nodes)
	if n == 0 {
		return
	}
	cw := max(10, (pn.w-keyW-2)/n)
	pn.text(1, 0, "key", faint)
	values := make([]map[string]string, n)
	for i, node := range p.nodes {
		x := 1 + keyW + i*cw
		d := p.ui.dumps[node.ID]
		head := name(node.ID)
		switch {
		case d.err != "":
			pn.sub(x, 1, cw-1, 1).text(0, 0, fit(d.err, cw-1), faint)
		case d.dump != nil:
			head += " @" + strconv.FormatUint(d.dump.Applied, 10)
			values[i] = make(map[string]string, len(d.dump.Pairs))
			for _, pair := range d.dump.Pairs {
				values[i][pair.Key] = pair.Value + " @" + strconv.FormatUint(pair.Index, 10)
			}
		default:
			pn.text(x, 1, "..", faint)
		}
		pn.sub(x, 0, cw-1, 1).text(0, 0, head, faint)
	}
	differ := func(key string) bool {
		first, seen := "", false
		for _, v := range values {
			if v == nil {
				continue
			}
			if seen && v[key] != first {
				return true
			}
			first, seen = v[key], true
		}
		return false
	}
	var names []string
	different := 0
	for k := range keys {
		names = append(names, k)
	}
	slices.Sort(names)
	slices.SortStableFunc(names, func(a, b string) int {
		da, db := differ(a), differ(b)
		switch {
		case da && !db:
			return -1
		case db && !da:
			return 1
		}
		return strings.Compare(a, b)
	})
	for _, k := range names {
		if differ(k) {
			different++
		}
	}
	rows := pn.rows(2, pn.h-3)
	from := clamp(p.ui.scroll, 0, max(0, len(names)-rows.h))
	for y := 0; y < rows.h && from+y < len(names); y++ {
		k := names[from+y]
		st := faint
		if differ(k) {
			st = plain
		}
		rows.sub(1, y, keyW-1, 1).text(0, 0, fit(k, keyW-1), st)
		for i, v := range values {
			if s, ok := v[k]; ok {
				rows.text(1+keyW+i*cw, y, fit(s, cw-1), st)
			} else if v != nil {
				rows.text(1+keyW+i*cw, y, "-", st)
			}
		}
	}
	s := plural(len(names), "key", "keys") + ", " + strconv.Itoa(different) + " differ (behind is not wrong); value @the index that set it"
	pn.text(1, pn.h-1, fit(s, pn.w-2), faint)
}
