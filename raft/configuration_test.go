package raft

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawServers draws a set of servers.
func drawServers(t *rapid.T, least, most int, what string) []NodeID {
	ids := rapid.SliceOfNDistinct(rapid.Map(rapid.Uint64Range(1, 12), func(id uint64) NodeID { return NodeID(id) }), least, most, rapid.ID).Draw(t, what)
	slices.Sort(ids)
	return ids
}

// drawConfiguration draws one that is valid, joint or not.
func drawConfiguration(t *rapid.T) Configuration {
	c := Configuration{Voters: drawServers(t, 1, 7, "voters"), VotersOld: drawServers(t, 0, 7, "old voters")}
	for _, id := range drawServers(t, 0, 4, "learners") {
		if !slices.Contains(c.Voters, id) {
			c.Learners = append(c.Learners, id)
		}
	}
	return c
}

// TestConfigurationEncoding: what is encoded is decoded again, and nothing
// else is: any bytes that decode are those that the configuration encodes to.
func TestConfigurationEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfiguration(t)
		data := c.AppendTo([]byte("before"))
		if !bytes.HasPrefix(data, []byte("before")) {
			t.Fatalf("AppendTo has overwritten what was there: %q", data)
		}
		data = data[len("before"):]
		got, err := DecodeConfiguration(data)
		if err != nil || !got.Equal(c) {
			t.Fatalf("%v is encoded as %x and decoded as %v, %v", c, data, got, err)
		}

		// Change it somewhere, shorten it or add to it.
		changed := slices.Clone(data)
		switch k := rapid.IntRange(0, len(data)-1).Draw(t, "where"); rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			changed[k] = rapid.Byte().Draw(t, "byte")
		case 1:
			changed = changed[:k]
		case 2:
			changed = append(changed, rapid.Byte().Draw(t, "byte"))
		}
		if got, err := DecodeConfiguration(changed); err == nil && !bytes.Equal(got.AppendTo(nil), changed) {
			t.Fatalf("%x is decoded as %v, which is encoded as %x", changed, got, got.AppendTo(nil))
		}
	})
}

// TestConfigurationDecodesAnything: bytes that nobody encoded do no harm, and if
// they are a configuration, they are its only encoding.
func TestConfigurationDecodesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOf(rapid.OneOf(rapid.ByteRange(0, 3), rapid.Byte())).Draw(t, "data")
		c, err := DecodeConfiguration(data)
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("%x is decoded as %v: %v", data, c, err)
		}
		if again := c.AppendTo(nil); !bytes.Equal(again, data) {
			t.Fatalf("%x is decoded as %v, which is encoded as %x", data, c, again)
		}
	})
}

// TestConfigurationSets compares what a configuration says of servers with
// looking through its lists.
func TestConfigurationSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfiguration(t)
		var members []NodeID
		for id := NodeID(0); id <= 13; id++ {
			var voter, learner bool
			for _, v := range slices.Concat(c.Voters, c.VotersOld) {
				voter = voter || v == id
			}
			for _, l := range c.Learners {
				learner = learner || l == id
			}
			if voter || learner {
				members = append(members, id)
			}
			if c.Voter(id) != voter || c.Learner(id) != learner || c.Has(id) != (voter || learner) {
				t.Fatalf("%v: %v is a voter: %v, a learner: %v, there: %v", c, id, c.Voter(id), c.Learner(id), c.Has(id))
			}
		}
		if !slices.Equal(c.Members(), members) {
			t.Fatalf("%v has the members %v, want %v", c, c.Members(), members)
		}
		copied := c.Clone()
		if !copied.Equal(c) {
			t.Fatalf("the clone of %v is %v", c, copied)
		}
		copied.Voters[0] = 99
		if copied.Equal(c) {
			t.Fatalf("the clone of %v shares its voters", c)
		}
	})
}

// What is no configuration of a cluster says why.
func TestConfigurationValidate(t *testing.T) {
	many := make([]NodeID, maxMembers+1)
	for k := range many {
		many[k] = NodeID(k + 1)
	}
	tests := []struct {
		name   string
		config Configuration
		want   string
	}{
		{"three voters", Configuration{Voters: []NodeID{1, 2, 3}}, ""},
		{"joint, an old voter becomes a learner", Configuration{Voters: []NodeID{1, 2}, VotersOld: []NodeID{1, 3}, Learners: []NodeID{3}}, ""},
		{"nobody", Configuration{}, "no voter is left"},
		{"only learners", Configuration{Learners: []NodeID{1}}, "no voter is left"},
		{"twice the same", Configuration{Voters: []NodeID{1, 1}}, "voters [S1 S1] are not ascending from 1"},
		{"server 0", Configuration{Voters: []NodeID{0, 1}}, "voters [- S1] are not ascending from 1"},
		{"learners in disorder", Configuration{Voters: []NodeID{1}, Learners: []NodeID{3, 2}}, "learners [S3 S2] are not ascending from 1"},
		{"voter and learner", Configuration{Voters: []NodeID{1, 2}, Learners: []NodeID{2}}, "S2 is both a voter and a learner"},
		{"too many", Configuration{Voters: []NodeID{1}, VotersOld: many}, "1025 old voters, the limit is 1024"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.config.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("Validate() = %q, want %q", got, tt.want)
			}
		})
	}
}
