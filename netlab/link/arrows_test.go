package link

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// Verdicts are pure: the package may use raft's types and the wire's names for
// frames, and of the standard library nothing that knows a clock's reading, a socket, a file or a lock.
func TestImportsNothingButTypes(t *testing.T) {
	allowed := map[string]bool{
		"github.com/raftlab/raftlab/raft":      true,
		"github.com/raftlab/raftlab/node/wire": true,
		"fmt":                                  true, "strconv": true, "strings": true,
		"cmp": true, "math": true, "math/bits": true, "slices": true,
		"time": true, // the length of a second and how to print it
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			if path := strings.Trim(imp.Path.Value, `"`); !allowed[path] {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
