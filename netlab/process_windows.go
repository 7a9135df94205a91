package netlab

import (
	"os"
	"os/exec"
	"syscall"
)

// textBusy is ERROR_SHARING_VIOLATION.
const textBusy = 32

// detachedProcess is DETACHED_PROCESS: no console, so no Ctrl-C from it.
const detachedProcess = 0x00000008

// ownSession keeps a lab process apart from the console it was started from.
func ownSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP | detachedProcess}
}

// ownGroup keeps a console's signals from a node process. It ends with its lab
// because its control connection does.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// pause and resume: Windows cannot stop a whole process.
func pause(*os.Process) error  { return errNoPause }
func resume(*os.Process) error { return errNoPause }

var errNoPause = Errorf(ExitFailed, "Windows cannot stop a process and let it go on").
	WithHint(`"raftlab hold" stops all nodes, "raftlab kill" and "raftlab restart" work on one`)

// terminate: there is no gentle way to end a process without a console.
func terminate(p *os.Process) error { return p.Kill() }
