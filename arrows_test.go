package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/raftlab/raftlab"

// layers are the parts of the house from top to bottom: each may import those
// below it and its own, never one above.
var layers = []string{"", "cmd", "tui", "netlab", "node", "raft"}

// pure packages may import, of ours, only what is named, and nothing that
// touches the world: no I/O, clock, goroutine tools, global randomness or log.
// link and explain write durations with package time, but read no clock.
var pure = map[string][]string{
	"raft":           {"math/rand/v2"},              // for a seeded source only
	"node/kv":        {"node/wire", "raft", "io"},   // what a snapshot is written to is its caller's
	"netlab/link":    {"node/wire", "raft", "time"}, // of wire the kinds of frames and what they say
	"netlab/explain": {"raft", "time"},
	"netlab/cond":    nil,
	"netlab/check":   {"node/deed", "node/wire", "raft", "io", "time"}, // of io what a picture is written to, of time how long porcupine may take
	"netlab/sim":     {"netlab/link", "node/clock", "node/deed", "node/kv", "node/wire", "raft", "math/rand/v2"},
	"node/deed":      {"raft"},
}

// clocks are what of package time no pure package may use.
var clocks = regexp.MustCompile(`\btime\.(Now|Since|Until|Sleep|After|AfterFunc|Tick|NewTimer|NewTicker)\b`)

var worldly = []string{"os", "net", "net/", "sync", "sync/", "time", "log", "log/", "io", "math/rand", "math/rand/v2", "syscall", "context", "golang.org/x/sys/"}

func TestArrowsPointDown(t *testing.T) {
	eachImport(t, func(file, pkg, imported string) {
		own, ok := strings.CutPrefix(imported, module)
		if !ok {
			return
		}
		from, to := layer(pkg), layer(strings.TrimPrefix(own, "/"))
		if to < from {
			t.Errorf("%s: package %q imports %q, which lies above it", file, pkg, imported)
		}
	})
}

func TestPurePackagesStayPure(t *testing.T) {
	eachImport(t, func(file, pkg, imported string) {
		allowed, ok := pure[pkg]
		if !ok {
			return
		}
		if slices.Contains(allowed, strings.TrimPrefix(imported, module+"/")) {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if use := clocks.Find(source); use != nil {
				t.Errorf("%s uses %s: %s is pure", file, use, pkg)
			}
			return
		}
		if strings.HasPrefix(imported, module) {
			t.Errorf("%s imports %s: %s is pure", file, imported, pkg)
		}
		for _, w := range worldly {
			if imported == w || strings.HasSuffix(w, "/") && strings.HasPrefix(imported, w) {
				t.Errorf("%s imports %s: %s is pure", file, imported, pkg)
			}
		}
	})
}

// layer is a package's place in layers. What is not named there, examples, is
// beside the house and may be imported by cmd only, so it counts as its bottom.
func layer(pkg string) int {
	top, _, _ := strings.Cut(pkg, "/")
	for i, l := range layers {
		if l == top {
			return i
		}
	}
	return len(layers)
}

// isModule reports whether dir is the root of a module of its own, which is
// another house.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// eachImport visits every import of every file that is not a test.
func eachImport(t *testing.T, visit func(file, pkg, imported string)) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isModule(path)) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." {
			pkg = ""
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			visit(path, pkg, imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("saw only %d files: the test looks in the wrong place", files)
	}
}
