//go:build !linux

package node

// processUsage is known on Linux only.
func processUsage(int) usage { return usage{} }
