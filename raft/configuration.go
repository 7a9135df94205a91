package raft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Configuration is the set of servers a decision counts over (§6). While
// VotersOld is not empty it is the joint configuration C_old,new: a decision
// needs a majority of Voters, which is C_new, and one of VotersOld. Learners
// receive the log and count for nothing (thesis §4.2.1).
type Configuration struct {
	Voters    []NodeID // ascending
	VotersOld []NodeID // ascending
	Learners  []NodeID // ascending; none of them a voter
}

// maxMembers bounds each set of a Configuration.
const maxMembers = 1 << 10

// Joint reports whether c is a C_old,new.
func (c Configuration) Joint() bool { return len(c.VotersOld) > 0 }

// Voter reports whether id's vote counts.
func (c Configuration) Voter(id NodeID) bool {
	return slices.Contains(c.Voters, id) || slices.Contains(c.VotersOld, id)
}

// Learner reports whether id receives the log without a vote.
func (c Configuration) Learner(id NodeID) bool { return slices.Contains(c.Learners, id) }

// Has reports whether id is in c at all.
func (c Configuration) Has(id NodeID) bool { return c.Voter(id) || c.Learner(id) }

// Members lists all servers of c, ascending.
func (c Configuration) Members() []NodeID {
	ids := slices.Concat(c.Voters, c.VotersOld, c.Learners)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Equal reports whether both say the same.
func (c Configuration) Equal(d Configuration) bool {
	return slices.Equal(c.Voters, d.Voters) && slices.Equal(c.VotersOld, d.VotersOld) && slices.Equal(c.Learners, d.Learners)
}

// Clone shares nothing with c.
func (c Configuration) Clone() Configuration {
	return Configuration{Voters: slices.Clone(c.Voters), VotersOld: slices.Clone(c.VotersOld), Learners: slices.Clone(c.Learners)}
}

// String is like "S1 S2 S3", "S1 S2 S3 learners S4" or, joint,
// "old S1 S2 S3 new S1 S2 S3 S4 S5".
func (c Configuration) String() string {
	text := strings.TrimPrefix(nodeList(c.Voters), " ")
	if c.Joint() {
		text = "old" + nodeList(c.VotersOld) + " new " + text
	}
	if len(c.Learners) > 0 {
		text += " learners" + nodeList(c.Learners)
	}
	if text == "" {
		return "nobody"
	}
	return text
}

// Validate says what is wrong with c as a configuration of a cluster, nil when
// it can be one.
func (c Configuration) Validate() error {
	if len(c.Voters) == 0 {
		return errors.New("no voter is left")
	}
	for _, set := range [...]struct {
		name string
		ids  []NodeID
	}{{"voters", c.Voters}, {"old voters", c.VotersOld}, {"learners", c.Learners}} {
		if len(set.ids) > maxMembers {
			return fmt.Errorf("%d %s, the limit is %d", len(set.ids), set.name, maxMembers)
		}
		for k, id := range set.ids {
			if id == 0 || k > 0 && id <= set.ids[k-1] {
				return fmt.Errorf("%s %v are not ascending from 1", set.name, set.ids)
			}
		}
	}
	for _, id := range c.Learners {
		if slices.Contains(c.Voters, id) {
			return fmt.Errorf("%v is both a voter and a learner", id)
		}
	}
	return nil
}

// AppendTo appends the bytes of c, which is the Data of an EntryConfig, to
// dst: the sizes and the IDs of Voters, VotersOld and Learners as varints.
// They are in logs on disk, so this form stays.
func (c Configuration) AppendTo(dst []byte) []byte {
	for _, ids := range [...][]NodeID{c.Voters, c.VotersOld, c.Learners} {
		dst = binary.AppendUvarint(dst, uint64(len(ids)))
		for _, id := range ids {
			dst = binary.AppendUvarint(dst, uint64(id))
		}
	}
	return dst
}

// DecodeConfiguration reads what AppendTo wrote, and nothing else.
func DecodeConfiguration(data []byte) (Configuration, error) {
	var c Configuration
	rest, bad := data, false
	number := func() uint64 {
		v, n := binary.Uvarint(rest)
		// A last byte of 0 adds nothing: the number has a shorter form.
		if n <= 0 || n > 1 && rest[n-1] == 0 {
			rest, bad = nil, true
			return 0
		}
		rest = rest[n:]
		return v
	}
	for _, ids := range [...]*[]NodeID{&c.Voters, &c.VotersOld, &c.Learners} {
		n := number()
		if n > uint64(len(rest)) || n > maxMembers {
			return Configuration{}, fmt.Errorf("not a configuration: a list of %d servers in %d bytes", n, len(data))
		}
		for ; n > 0; n-- {
			*ids = append(*ids, NodeID(number()))
		}
	}
	if bad || len(rest) > 0 {
		return Configuration{}, fmt.Errorf("not a configuration: %d bytes do not fit one", len(data))
	}
	if err := c.Validate(); err != nil {
		return Configuration{}, fmt.Errorf("not a configuration: %w", err)
	}
	return c, nil
}
