package check

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/raftlab/raftlab/node/wire"
)

// Request is what a client asks of one key.
type Request struct {
	Op    wire.Op
	Read  wire.Read // of a get
	Key   string
	Value string // put, cas: the new one
	Old   string // cas: the one expected
}

// Answer is what it was told.
type Answer struct {
	Refused bool   // cas, incr: the state machine said no
	Found   bool   // get, del: there was such a key
	Value   string // get: the value; incr: the new one
	Index   uint64 // of the log: where the command took effect, or up to where the reader had applied
	Node    int    // who answered
}

// register is one key of the state machine: linearizability is local, so a key
// at a time will do. The zero register has no value.
type register struct {
	unknown bool // any value, or none
	found   bool
	value   string
}

// shortValue is how long a value is kept as it is, in bytes. Of a longer one
// what is kept tells it from all others, which is all that is asked of it.
const shortValue = 64

func condense(v string) string {
	if len(v) <= shortValue {
		return v
	}
	sum := sha256.Sum256([]byte(v))
	b := make([]byte, 0, 2*shortValue+2*len(sum))
	b = append(append(b, v[:shortValue]...), "... ("...)
	b = append(strconv.AppendInt(b, int64(len(v)), 10), " bytes, sha256 "...)
	return string(append(hex.AppendEncode(b, sum[:]), ')'))
}

// step is what a request makes of r, as node/kv has it, and whether it can have
// been answered so. Without an answer any will do.
func (r register) step(q *Request, a *Answer) (register, bool) {
	switch q.Op {
	case wire.OpGet:
		if a == nil {
			return r, true
		}
		now := register{found: a.Found, value: a.Value}
		return now, r.unknown || r == now
	case wire.OpPut:
		return register{found: true, value: q.Value}, a == nil || !a.Refused
	case wire.OpDel:
		return register{}, a == nil || !a.Refused && (r.unknown || a.Found == r.found)
	case wire.OpCAS:
		took := r.found && r.value == q.Old
		switch {
		case r.unknown && a == nil:
			return r, true // whether it takes effect is as little known
		case r.unknown && a.Refused:
			return r, true
		case r.unknown:
			took = true
		case a != nil && a.Refused == took:
			return r, false
		}
		if took {
			return register{found: true, value: q.Value}, true
		}
		return r, true
	case wire.OpIncr:
		return r.increment(a)
	}
	return r, false
}

func (r register) increment(a *Answer) (register, bool) {
	if r.unknown {
		if a == nil || a.Refused {
			return r, true
		}
		return register{found: true, value: a.Value}, true
	}
	n, took := int64(0), true
	if r.found {
		var err error
		n, err = strconv.ParseInt(r.value, 10, 64)
		took = err == nil && len(r.value) <= 20 && n != math.MaxInt64
	}
	if !took {
		return r, a == nil || a.Refused
	}
	now := register{found: true, value: strconv.FormatInt(n+1, 10)}
	return now, a == nil || !a.Refused && a.Value == now.value
}

func (r register) String() string {
	switch {
	case r.unknown:
		return "anything"
	case !r.found:
		return "no value"
	}
	return excerpt(r.value)
}

// excerpt is how keys and values stand in sentences.
func excerpt(v string) string {
	const most = 40
	if r := []rune(v); len(r) > most {
		v = string(r[:most]) + "..."
	}
	return strconv.Quote(v)
}
