package netlab

import (
	"runtime/debug"
	"sync"
)

// Version is the module's version this program was built from, "devel" when it
// was built from a working tree.
func Version() string { return version() }

var version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
})
