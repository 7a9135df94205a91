package wal

import "os"

// names changes what files are called. Tests put one in its place that fails,
// and that forgets what no syncDir has made durable.
type names interface {
	rename(from, to string) error
	remove(path string) error
	syncDir(dir string) error
}

type osNames struct{}

func (osNames) rename(from, to string) error { return os.Rename(from, to) }
func (osNames) remove(path string) error     { return os.Remove(path) }
func (osNames) syncDir(dir string) error     { return syncDir(dir) }
