package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// A parsedLine is a command line with its words in the order the library
// wants: it stops reading flags at the first argument, so `partition 2 4
// --json` would otherwise name three nodes.
type parsedLine struct {
	root  *verb    // the verb, for `bench load` bench
	verb  *verb    // the verb that runs
	flags []string // --name or --name=value, by primary name
	args  []string
}

// words is the line as the library reads it: verb, flags, --, arguments.
func (l parsedLine) words() []string {
	w := []string{l.root.name}
	if l.verb != l.root {
		w = append(w, l.verb.name)
	}
	w = append(w, l.flags...)
	return append(append(w, "--"), l.args...)
}

// parseLine finds the verb and sorts flags from arguments, wherever they
// stand. The rules: after -- everything is an argument; a flag that takes a
// value takes the next word or what follows =; - and negative numbers are
// arguments; -n5 is -n 5 and -fq is -f -q; everything else that starts with -
// must be a flag of that verb.
func parseLine(all []*verb, argv []string) (parsedLine, error) {
	var l parsedLine
	level := all // where the next verb word is looked up; nil once found
	flags := sharedFlags()
	for i := 0; i < len(argv); i++ {
		w := argv[i]
		if w == "--" {
			rest := argv[i+1:]
			if level == nil {
				l.args = append(l.args, rest...)
				break
			}
			if len(rest) > 0 { // the verb itself follows
				v, err := findVerb(level, l.root, rest[0])
				if err != nil {
					return l, err
				}
				l.take(v)
				l.args = append(l.args, rest[1:]...)
			}
			break
		}
		if !looksLikeFlag(w) {
			if level == nil {
				l.args = append(l.args, w)
				continue
			}
			v, err := findVerb(level, l.root, w)
			if err != nil {
				return l, err
			}
			l.take(v)
			flags = append(slices.Clone(v.flags), sharedFlags()...)
			level = v.subs
			if len(v.subs) == 0 {
				level = nil
			}
			continue
		}
		if l.root == nil && (w == "--version" || w == "-V") {
			l.take(find(all, "version"))
			level = nil
			continue
		}
		used, err := l.takeFlag(flags, w, argv[i+1:])
		if err != nil {
			return l, err
		}
		i += used
	}
	if l.root == nil || slices.Contains(l.flags, "--help") {
		l.askHelp(find(all, "help"))
	}
	return l, nil
}

// askHelp turns the line into one that asks for help on its verb.
func (l *parsedLine) askHelp(help *verb) {
	l.args = nil
	if l.root != nil {
		l.args = strings.Fields(l.verb.title())
	}
	l.root, l.verb = help, help
	l.flags = slices.DeleteFunc(l.flags, func(f string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		return name == "help" || findFlag(sharedFlags(), name, true) == nil
	})
}

func (l *parsedLine) take(v *verb) {
	if l.root == nil {
		l.root = v
	}
	l.verb = v
}

// looksLikeFlag tells flags from arguments: "-" and negative numbers are
// arguments.
func looksLikeFlag(w string) bool {
	return len(w) > 1 && w[0] == '-' && !(w[1] >= '0' && w[1] <= '9') && !(w[1] == '.' && len(w) > 2)
}

// takeFlag adds the flag w, with its value from w itself or from rest, and
// tells how many words of rest it used.
func (l *parsedLine) takeFlag(flags []cli.Flag, w string, rest []string) (used int, err error) {
	name, value, hasValue := strings.Cut(strings.TrimLeft(w, "-"), "=")
	long := strings.HasPrefix(w, "--")
	f := findFlag(flags, name, long)
	if f == nil && !long && len(name) > 1 {
		return l.takeCluster(flags, w, rest)
	}
	if f == nil {
		return 0, l.unknownFlag(flags, w)
	}
	primary := f.Names()[0]
	switch {
	case !takesValue(f):
		if hasValue {
			return 0, usageErrorf("%s takes no value, got %q", flagTitle(f), value).WithHint("%s", l.hint())
		}
		l.flags = append(l.flags, "--"+primary)
	case hasValue:
		l.flags = append(l.flags, "--"+primary+"="+value)
	case len(rest) == 0 || rest[0] == "--":
		return 0, usageErrorf("%s needs a value: %s", flagTitle(f), flagUsage(f)).WithHint("%s", l.hint())
	default:
		l.flags = append(l.flags, "--"+primary+"="+rest[0])
		used = 1
	}
	return used, nil
}

// takeCluster reads -n5 and -fq: short flags in one word, the last of which
// may take the rest as its value.
func (l *parsedLine) takeCluster(flags []cli.Flag, w string, rest []string) (used int, err error) {
	body := w[1:]
	for i := 0; i < len(body); i++ {
		f := findFlag(flags, body[i:i+1], false)
		switch {
		case f == nil:
			return 0, l.unknownFlag(flags, w)
		case !takesValue(f):
			l.flags = append(l.flags, "--"+f.Names()[0])
		case i+1 < len(body):
			l.flags = append(l.flags, "--"+f.Names()[0]+"="+strings.TrimPrefix(body[i+1:], "="))
			return 0, nil
		default:
			return l.takeFlag(flags, "-"+body[i:], rest)
		}
	}
	return 0, nil
}

func (l *parsedLine) hint() string {
	if l.verb == nil {
		return "raftlab help"
	}
	return hintUsage(l.verb)
}

// unknownFlag says that there is no such flag, and which one was likely meant.
func (l *parsedLine) unknownFlag(flags []cli.Flag, w string) error {
	title, _, _ := strings.Cut(w, "=")
	var known []string
	for _, f := range flags {
		if !isHidden(f) {
			known = append(known, f.Names()...)
		}
	}
	where := ""
	if l.verb != nil {
		where = " of " + l.verb.title()
	}
	e := usageErrorf("unknown flag %s%s", title, where)
	if s := nearest(strings.TrimLeft(title, "-"), known); s != "" {
		e = usageErrorf("unknown flag %s%s; did you mean %s?", title, where, dashed(s))
	}
	if l.verb != nil {
		return e.WithHint("raftlab help %s", l.verb.title())
	}
	return e.WithHint("raftlab help")
}

// findVerb looks a verb up and suggests one when there is none.
func findVerb(level []*verb, parent *verb, name string) (*verb, error) {
	if v := find(level, name); v != nil {
		return v, nil
	}
	what, help := fmt.Sprintf("unknown command %q", name), "raftlab help"
	if parent != nil {
		what, help = fmt.Sprintf("%s has no %q, only: %s", parent.name, name, strings.Join(names(parent.subs), ", ")), "raftlab help "+parent.name
	}
	if s := nearest(name, names(level)); s != "" {
		what += "; did you mean " + s + "?"
	}
	return nil, usageErrorf("%s", what).WithHint("%s", help)
}

// findFlag looks a flag up by one of its names. Names of one letter are
// written with one dash, longer ones with two.
func findFlag(flags []cli.Flag, name string, long bool) cli.Flag {
	if long != (len(name) > 1) {
		return nil
	}
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

func isHidden(f cli.Flag) bool {
	v, ok := f.(cli.VisibleFlag)
	return ok && !v.IsVisible()
}

// dashed is a flag's name as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// flagTitle is how errors name a flag.
func flagTitle(f cli.Flag) string { return dashed(f.Names()[0]) }

// wantsJSON tells whether errors of this line are to be JSON. It looks at the
// bare words, because the line may be one that cannot be parsed.
func wantsJSON(args []string, fallback string) bool {
	format := fallback
	for i, a := range args {
		if a == "--" {
			break
		}
		switch {
		case a == "--json":
			return true
		case (a == "-o" || a == "--output") && i+1 < len(args):
			format = args[i+1]
		case strings.HasPrefix(a, "--output="):
			format = strings.TrimPrefix(a, "--output=")
		case strings.HasPrefix(a, "-o") && !strings.HasPrefix(a, "--"):
			format = strings.TrimPrefix(strings.TrimPrefix(a, "-o"), "=")
		}
	}
	return format == "json" || format == "jsonl"
}
