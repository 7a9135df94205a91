package proxy

import (
	"errors"
	"io"
)

// receiver is nothing here: sockets of Windows are not asked whether there is
// something to read, they are given a buffer to read into.
type receiver struct{}

func (in *inbound) prepare() error { return nil }

// receive reads once into what is free of the chunk.
func (in *inbound) receive() error {
	n, err := in.conn.Read(in.chunk.free())
	if in.n = n; n > 0 || errors.Is(err, io.EOF) {
		return nil // an error beside bytes comes again with the next read
	}
	return err
}
