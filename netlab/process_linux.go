package netlab

import "syscall"

// dieWithLab has the kernel kill the process when the thread that starts it
// ends, whatever ends it. It works on stopped processes as well.
func dieWithLab(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
