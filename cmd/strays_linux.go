package cmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/node"
)

// strayProcesses returns the pids of this user's node processes whose lab is
// one of home and does not run. Nodes are known by their environment, which
// says where they keep their log.
func strayProcesses(home string) ([]int, error) {
	labs, err := netlab.List(home)
	if err != nil {
		return nil, err
	}
	running := make(map[string]bool)
	for _, l := range labs {
		running[l.Name] = l.Running
	}
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil {
			continue // somebody else's process, or one that has ended since
		}
		_, after, found := bytes.Cut(append([]byte{0}, env...), []byte("\x00"+node.EnvDir+"="))
		if !found {
			continue
		}
		dir, _, _ := bytes.Cut(after, []byte{0})
		inside, err := filepath.Rel(home, string(dir))
		if err != nil || strings.HasPrefix(inside, "..") {
			continue // of another home
		}
		lab, _, _ := strings.Cut(inside, string(filepath.Separator))
		if running[lab] {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			return nil, fmt.Errorf("read the pid of %s: %w", f, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
