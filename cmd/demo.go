package cmd

import (
	"io"
	"io/fs"
	"strings"

	"github.com/raftlab/raftlab/examples"
	"github.com/raftlab/raftlab/netlab/script"
	"github.com/urfave/cli/v2"
)

func demoVerb() *verb {
	return &verb{
		name: "demo", args: "[NAME]", usage: "Play a built-in scenario, or list them", category: categoryScript,
		max: 1, words: []word{wordDemo}, terminal: true,
		flags: append(scenarioFlags(), &cli.BoolFlag{Name: "list", Usage: "list the scenarios; so does leaving NAME out"}),
		about: `Each shows one rule of Raft on real processes and asserts what it shows: it exits
with 6 when the scene does not come out.`,
		examples: []example{
			{"raftlab demo --list", "what there is"},
			{"raftlab demo leader-crash", "play one"},
			{"raftlab demo split-vote --tui", "watch it"},
			{"raftlab demo split-vote --sim", "in virtual time"},
		},
		run: func(c *call) error {
			if c.Bool("list") || !c.Args().Present() {
				return listDemos(c)
			}
			name := scenarioName(c.Args().First())
			s, err := openDemo(name)
			if err != nil {
				return err
			}
			return play(c, s, ownLabName("demo-", name))
		},
	}
}

// demoNames are the names of the built-in scenarios, sorted.
func demoNames() []string {
	files, err := fs.Glob(examples.Scenarios, "*.lab")
	if err != nil {
		panic(err) // only a malformed pattern can fail
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, ".lab")
	}
	return files
}

func openDemo(name string) (*script.Script, error) {
	f, err := examples.Scenarios.Open(name + ".lab")
	if err != nil {
		e := usageErrorf("there is no demo %q", clean(name))
		if s := nearest(name, demoNames()); s != "" {
			e = usageErrorf("there is no demo %q; did you mean %s?", clean(name), s)
		}
		return nil, e.WithHint("demos: %s", strings.Join(demoNames(), ", "))
	}
	defer f.Close()
	return parseScenario(name+".lab", f)
}

func demoCandidates() []candidate {
	var out []candidate
	for _, name := range demoNames() {
		about := ""
		if s, err := openDemo(name); err == nil {
			about = s.Title
		}
		out = append(out, candidate{name, about})
	}
	return out
}

func listDemos(c *call) error {
	type demo struct {
		Name  string `json:"name"`
		Title string `json:"title"`
	}
	var demos []demo
	for _, name := range demoNames() {
		s, err := openDemo(name)
		if err != nil {
			return err
		}
		demos = append(demos, demo{name, s.Title})
	}
	return c.emit(struct {
		Schema string `json:"schema"`
		Demos  []demo `json:"demos"`
	}{"raftlab.demos/1", demos}, demoNames(), func(w io.Writer) error {
		t := &table{head: []string{"name", "shows"}}
		for _, d := range demos {
			t.add(d.Name, d.Title)
		}
		return t.write(w, c.style)
	})
}
