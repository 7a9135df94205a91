package cmd

import "io"

// foregroundReader is in: there is no background here.
func foregroundReader(in io.Reader) io.Reader { return in }
