//go:build unix

package netlab

import (
	"os"
	"os/exec"
	"syscall"
)

const textBusy = syscall.ETXTBSY

// ownSession puts a lab process into a session of its own, away from the
// terminal and its signals.
func ownSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}

// ownGroup puts a node process into a process group of its own inside the
// lab's session. When the lab dies while the node is stopped, the group is
// orphaned and the kernel sends it SIGHUP and SIGCONT: it wakes and finds its
// lab gone.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithLab(cmd.SysProcAttr)
}

// pause stops a process (SIGSTOP) and resume lets it go on (SIGCONT).
func pause(p *os.Process) error  { return p.Signal(syscall.SIGSTOP) }
func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

// terminate asks a process to end (SIGTERM).
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
