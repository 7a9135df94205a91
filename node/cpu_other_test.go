//go:build !unix

package node

import "time"

// processCPU is not known here.
func processCPU() time.Duration { return 0 }
