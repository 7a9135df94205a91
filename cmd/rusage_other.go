//go:build !unix

package cmd

import "time"

func ownCPU() (time.Duration, bool) { return 0, false }
