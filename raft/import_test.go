package raft_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestPure holds what the package comment says: no I/O, clock, lock, global
// randomness, log or goroutine. math/rand/v2 is there for a seeded source only.
func TestPure(t *testing.T) {
	allowed := map[string]bool{"encoding/binary": true, "errors": true, "fmt": true, "math/rand/v2": true, "slices": true, "sort": true, "strconv": true, "strings": true}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := f.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, imp := range file.Imports {
				if path := strings.Trim(imp.Path.Value, `"`); !allowed[path] {
					t.Errorf("%s imports %s", name, path)
				}
			}
			for _, use := range impure(file) {
				t.Errorf("%s: %s", name, use)
			}
		}
	}
}

// impure lists the goroutines a file starts, its channels and the global
// random numbers it draws.
func impure(file *ast.File) (uses []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			uses = append(uses, "starts a goroutine")
		case *ast.ChanType:
			uses = append(uses, "has a channel")
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "rand" && pkg.Obj == nil {
				switch n.Sel.Name {
				case "New", "NewPCG", "Rand":
				default:
					uses = append(uses, "uses rand."+n.Sel.Name)
				}
			}
		}
		return true
	})
	return uses
}
