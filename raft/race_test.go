//go:build race

package raft_test

// raceDetector: everything takes ten times as long.
const raceDetector = true
