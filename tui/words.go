package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// name is the paper's spelling of a node: S1, S2, …; "-" for nobody.
func name(id int) string {
	if id <= 0 {
		return "-"
	}
	return "S" + strconv.Itoa(id)
}

func names(ids []int) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name(id))
	}
	return b.String()
}

// nameRanges is names with three and more in a row as a range: S1-S3 S7.
func nameRanges(ids []int) string {
	var parts []string
	for i := 0; i < len(ids); {
		end := i
		for end+1 < len(ids) && ids[end+1] == ids[end]+1 {
			end++
		}
		if end-i < 2 {
			end = i
			parts = append(parts, name(ids[i]))
		} else {
			parts = append(parts, name(ids[i])+"-"+name(ids[end]))
		}
		i = end + 1
	}
	return strings.Join(parts, " ")
}

// numbers joins ids as the command line takes them.
func numbers(ids []int) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(id))
	}
	return b.String()
}

// clockText is lab time as 00:42.312, with hours when there are any.
func clockText(labNS int64) string {
	ms := labNS / 1e6
	s := ms / 1000
	if h := s / 3600; h > 0 {
		return fmt.Sprintf("%d:%02d:%02d.%03d", h, s/60%60, s%60, ms%1000)
	}
	return fmt.Sprintf("%02d:%02d.%03d", s/60, s%60, ms%1000)
}

// stamp is lab time at the start of a line: as short as now allows, so that a
// column of them lines up.
func stamp(labNS, nowNS int64) string {
	s := clockText(labNS)
	if nowNS < 60e9 {
		return s[3:]
	}
	if nowNS >= 3600e9 && len(s) < len("0:00:00.000") {
		return "0:" + s
	}
	return s
}

// shortTime is a duration in at most six columns: 31ms, 1.2s, 0.21ms.
func shortTime(d time.Duration) string {
	switch ms := float64(d) / 1e6; {
	case d >= 100*time.Second:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d >= time.Second:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + "s"
	case ms >= 10 || d == 0:
		return strconv.Itoa(int(ms+0.5)) + "ms"
	case ms >= 1:
		return strconv.FormatFloat(ms, 'f', 1, 64) + "ms"
	default:
		return strconv.FormatFloat(ms, 'f', 2, 64) + "ms"
	}
}

// millis is a duration in milliseconds without the unit, in at most four
// columns where it can: .21, 8.1, 20, 212.
func millis(d time.Duration) string { return millisFloat(float64(d) / 1e6) }

func millisFloat(ms float64) string {
	switch {
	case ms < 0.995:
		s := strconv.FormatFloat(ms, 'f', 2, 64)
		return strings.TrimSuffix(strings.TrimPrefix(s, "0"), "0")
	case ms < 9.95:
		return strings.TrimSuffix(strconv.FormatFloat(ms, 'f', 1, 64), ".0")
	default:
		return strconv.FormatFloat(ms, 'f', 0, 64)
	}
}

// count is a number people can read at a glance: 212, 12 400, 1.3M.
func count(v float64) string {
	switch {
	case v < 9.95:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	case v < 1e4:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v < 1e6:
		return strconv.FormatFloat(v/1e3, 'f', 1, 64) + "k"
	default:
		return strconv.FormatFloat(v/1e6, 'f', 1, 64) + "M"
	}
}

// bytesText is a size: 118 B, 96 KiB, 1.8 MiB.
func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1<<20:
		return strconv.FormatInt(n>>10, 10) + " KiB"
	default:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
	}
}

// rateText is a clock rate: 1, 0.01, 10.
func rateText(r float64) string { return strconv.FormatFloat(r, 'g', 3, 64) }

// percent is a share: 5%, 0.1%.
func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 3, 64) + "%"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// commandLine is a line as its writer would type it in a shell.
func commandLine(line string) string {
	line = strings.TrimSpace(line)
	if line == "raftlab" || strings.HasPrefix(line, "raftlab ") {
		return line
	}
	return "raftlab " + line
}

// verbOf is the first word of a line.
func verbOf(line string) string {
	line = strings.TrimPrefix(strings.TrimSpace(line), "raftlab ")
	verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return verb
}
