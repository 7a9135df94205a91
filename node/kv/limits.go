package kv

import (
	"fmt"

	"github.com/raftlab/raftlab/node/wire"
)

// The limits of a request.
const (
	MaxKey   = 1 << 10 // bytes
	MaxValue = 1 << 20 // bytes
	// MaxAhead bounds Seq-Acked, and with it the answers that the state machine
	// keeps for a session: less than it keeps for all together.
	MaxAhead = 1 << 14
)

// ValidateRequest tells whether a request makes sense, before it is proposed.
// The error is the sentence for whoever asked.
func ValidateRequest(r *wire.Request) error {
	op := r.Op
	switch {
	case !op.Known():
		return fmt.Errorf("there is no operation %d", uint8(op))
	case len(r.Key) == 0:
		return fmt.Errorf("%v: the key is empty", op)
	case len(r.Key) > MaxKey:
		return fmt.Errorf("%v: a key of %d bytes: the limit is %d", op, len(r.Key), MaxKey)
	case len(r.Value) > MaxValue:
		return fmt.Errorf("%v: a value of %d bytes: the limit is %d", op, len(r.Value), MaxValue)
	case len(r.Old) > MaxValue:
		return fmt.Errorf("%v: an old value of %d bytes: the limit is %d", op, len(r.Old), MaxValue)
	case !r.Read.Known():
		return fmt.Errorf("%v: there is no read %d", op, uint8(r.Read))
	case op == wire.OpGet:
		return nil
	case r.Read != wire.ReadLog:
		return fmt.Errorf("%v: a %v read is for a get only", op, r.Read)
	case r.Session == 0:
		return fmt.Errorf("%v: a write needs a session, or a retry would count twice", op)
	case r.Seq == 0:
		return fmt.Errorf("%v: sequence numbers start at 1, this one is %d", op, r.Seq)
	case r.Seq <= r.Acked:
		return fmt.Errorf("%v: sequence number %d, but all up to %d are acknowledged", op, r.Seq, r.Acked)
	case r.Seq-r.Acked > MaxAhead:
		return fmt.Errorf("%v: sequence number %d is %d ahead of what is acknowledged: the limit is %d", op, r.Seq, r.Seq-r.Acked, MaxAhead)
	}
	return nil
}
