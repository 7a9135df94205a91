//go:build unix && !linux

package netlab

import "syscall"

// dieWithLab: only Linux kills children with their parent. Elsewhere a node
// ends because its control connection does.
func dieWithLab(*syscall.SysProcAttr) {}
