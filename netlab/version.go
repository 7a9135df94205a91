package netlab

import "runtime/debug"

// Version is the module's version this program was built from, "devel" when it
// was built from a working tree.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
