package cmd

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

func versionVerb() *verb {
	return &verb{
		name: "version", usage: "Show the version of raftlab and of Go", category: categoryTool,
		examples: []example{{"raftlab version --json", "with the revision it was built from, if known"}},
		run: func(c *call) error {
			v := buildVersion()
			return c.emit(v, []string{v.Version}, func(w io.Writer) error {
				line := fmt.Sprintf("raftlab %s  %s %s/%s", v.Version, v.Go, v.OS, v.Arch)
				if v.Revision != "" {
					line += "  revision " + v.Revision
					if v.Modified {
						line += ", modified"
					}
				}
				return writeLines(w, []string{line})
			})
		},
	}
}

type versionJSON struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
}

// buildVersion is what the Go tool wrote into the binary.
func buildVersion() versionJSON {
	v := versionJSON{Version: "devel", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if m := info.Main.Version; m != "" && m != "(devel)" {
		v.Version = m
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value[:min(len(s.Value), 12)]
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
