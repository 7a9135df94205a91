package cmd

import (
	"fmt"
	"strings"

	"github.com/raftlab/raftlab/netlab/check"
)

// linearizabilityText says how what clients were told stands.
func linearizabilityText(l *check.Linearizability, st style) string {
	if l == nil {
		return ""
	}
	var b strings.Builder
	verdict := l.Verdict
	if verdict == check.VerdictViolated {
		verdict = st.alarm("VIOLATED")
	}
	fmt.Fprintf(&b, "\nLinearizability: %s", verdict)
	if l.Operations > 0 {
		fmt.Fprintf(&b, ", %s of clients judged on %s", plural(int(l.Judged), "operation"), plural(l.Keys, "key"))
		if l.LastJudgedNS > 0 {
			fmt.Fprintf(&b, ", the last one at %s", labTime(l.LastJudgedNS))
		}
	}
	b.WriteString("\n")
	line := func(n uint64, format string, args ...any) {
		if n > 0 {
			fmt.Fprintf(&b, "  "+format+"\n", args...)
		}
	}
	line(uint64(l.KeysViolated), "%s without an order that explains them", plural(l.KeysViolated, "key"))
	line(l.Waiting, "%d open or to be judged", l.Waiting)
	line(l.Lost, "%d got no answer: they count as done at any time since, or never", l.Lost)
	line(l.Failed, "%d had no effect and do not count", l.Failed)
	line(l.Undecided+l.NotJudged, "%d not judged", l.Undecided+l.NotJudged)
	for _, r := range l.Reasons {
		line(1, "%s", clean(r))
	}
	if s := l.Stale; s.Reads > 0 {
		line(1, "stale reads claim nothing: of %d, %d did not see what had been written", s.Reads, s.Behind)
		if o := s.Oldest; s.Behind > 0 {
			more := ""
			if o.AtLeast {
				more = "at least "
			}
			line(1, "the oldest, get %s of S%d at %s, was %s%s old", clean(o.Key), o.Node, labTime(o.LabNS), more, plural(o.Writes, "write"))
		}
	}
	return b.String()
}
