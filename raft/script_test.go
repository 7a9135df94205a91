package raft_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/raftlab/raftlab/raft"
)

// TestScripts runs the scenes of testdata. Each is a conversation with a
// cluster: a command, and under ---- what happened. "S1: ..." is an event of
// S1, "S1 -> S2 ..." a message as it arrives, "lost: ..." one that does not.
// go test -run TestScripts -rewrite writes the answers anew.
//
// The commands:
//
//	cluster N [voters=M] [prevote] [check-quorum] [ignore-votes] [transfer] [single] [chunk=BYTES] [unsafe=RULE]
//	                        N servers, of which the first M make the cluster; single: an entry to an AppendEntries;
//	                        chunk: of a snapshot. A line "S1 11145 term 7" under it gives S1 a log and a currentTerm
//	timeout S1              S1's timer runs out: its election timer, or the heartbeat timer of a leader
//	campaign S1             S1 stands for election, without PreVote
//	propose S1 x y          S1 takes the commands x and y
//	members S1 to=(S1,S2,S3) [learners=(S4)]   leader S1 is to make this the configuration
//	transfer S1 S2          S1 hands over to S2
//	read S1 7 [lease]       S1 is asked for read number 7
//	snapshot S1 [keep=N]    S1 folds what it has applied into a snapshot; the log keeps the last N entries of it
//	pass 100 [S1]           100 ms go by, for S1 alone or for all
//	net                     the messages under way
//	deliver [from=S1] [to=(S2,S3)] [kind=append]   deliver those under way now
//	drop ...                lose them
//	settle                  deliver until all is quiet
//	disk S1 slow|fast       a slow disk syncs only on command
//	sync S1                 it syncs
//	crash S1; restart S1    what was not synced is gone
//	partition S1 S2         S1 and S2 on one side, the others on the other
//	cut S1 S2; heal         both ways; everything
//	logs                    role, term and log of each; | is commitIndex
//	configs                 the newest configuration of each
//	peers S1                what leader S1 knows of the others
//	walk-back S1            reckons how often new leader S1 would be refused, did it go back entry by entry
//	refusals S1             how often it was, beside what was reckoned
//
// Any command with "quiet" does not say what happened.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			var scene script
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				if d.Cmd == "cluster" {
					scene = script{c: newScene(t, d)}
					return ""
				}
				scene.c.tb = t
				scene.c.quiet = d.HasArg("quiet")
				scene.c.out.Reset()
				scene.run(t, d)
				return scene.c.out.String()
			})
		})
	}
}

// script runs commands on a cluster.
type script struct {
	c     *cluster
	plain map[raft.NodeID]int // refusals by the plain walk-back
}

func newScene(t *testing.T, d *datadriven.TestData) *cluster {
	n, err := strconv.Atoi(d.CmdArgs[0].Key)
	if err != nil {
		d.Fatalf(t, "cluster of %q servers", d.CmdArgs[0].Key)
	}
	var adjust []func(*raft.Config)
	for _, a := range d.CmdArgs[1:] {
		number := func() int {
			v, err := strconv.Atoi(a.Vals[0])
			if err != nil {
				d.Fatalf(t, "%v: %v", a, err)
			}
			return v
		}
		switch a.Key {
		case "voters":
			adjust = append(adjust, voters(number()))
		case "prevote":
			adjust = append(adjust, withPreVote)
		case "check-quorum":
			adjust = append(adjust, withCheckQuorum)
		case "ignore-votes":
			adjust = append(adjust, withIgnoreVotes)
		case "transfer":
			adjust = append(adjust, withTransfer)
		case "single":
			adjust = append(adjust, func(cfg *raft.Config) { cfg.MaxAppendBytes = 1 })
		case "chunk":
			bytes := number()
			adjust = append(adjust, func(cfg *raft.Config) { cfg.MaxChunkBytes = bytes })
		case "unsafe":
			rule, err := raft.ParseUnsafe(a.Vals[0])
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			adjust = append(adjust, func(cfg *raft.Config) { cfg.Unsafe |= rule })
		default:
			d.Fatalf(t, "no option %q", a.Key)
		}
	}
	c := newCluster(t, n, adjust...)
	c.quiet = true
	c.check.lenient = c.servers[0].cfg.Unsafe != 0
	c.forging = c.check.lenient
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		if line == "" {
			continue
		}
		words := strings.Fields(line)
		var term int
		if len(words) == 4 && words[2] == "term" {
			if term, err = strconv.Atoi(words[3]); err != nil {
				d.Fatalf(t, "%s: %v", line, err)
			}
			words = words[:2]
		}
		if len(words) != 2 {
			d.Fatalf(t, "%s: want like S1 11145 term 7", line)
		}
		c.preload(nodeID(t, d, words[0]), words[1], raft.Term(term))
	}
	return c.start()
}

func (s *script) run(t *testing.T, d *datadriven.TestData) {
	c := s.c
	switch d.Cmd {
	case "timeout":
		each(t, d, c.timeout)
	case "campaign":
		each(t, d, c.campaign)
	case "propose":
		var data []string
		for _, a := range d.CmdArgs[1:] {
			if a.Key != "quiet" {
				data = append(data, a.Key)
			}
		}
		c.propose(nodeID(t, d, d.CmdArgs[0].Key), data...)
	case "members":
		var next raft.Configuration
		for _, a := range d.CmdArgs[1:] {
			for _, v := range a.Vals {
				if a.Key == "learners" {
					next.Learners = append(next.Learners, nodeID(t, d, v))
				} else {
					next.Voters = append(next.Voters, nodeID(t, d, v))
				}
			}
		}
		s.answer(c.change(nodeID(t, d, d.CmdArgs[0].Key), next))
	case "transfer":
		s.answer(c.transfer(nodeID(t, d, d.CmdArgs[0].Key), nodeID(t, d, d.CmdArgs[1].Key)))
	case "read":
		s.answer(c.read(nodeID(t, d, d.CmdArgs[0].Key), d.HasArg("lease"), uint64(s.number(t, d, 1))))
	case "snapshot":
		var keep int
		d.MaybeScanArgs(t, "keep", &keep)
		c.snapshot(nodeID(t, d, d.CmdArgs[0].Key), raft.Index(keep))
	case "pass":
		var who raft.NodeID
		if len(d.CmdArgs) > 1 {
			who = nodeID(t, d, d.CmdArgs[1].Key)
		}
		c.advance(who, raft.Duration(s.number(t, d, 0))*raft.Duration(ms))
	case "configs":
		for _, m := range c.servers {
			if m.node != nil {
				c.say("%v %v", m.id, m.node.Status().Config)
			}
		}
	case "net":
		for _, m := range c.net {
			c.say("%v", m)
		}
	case "deliver":
		c.deliver(filter(t, d)...)
	case "drop":
		c.drop(filter(t, d)...)
	case "settle":
		c.settle()
	case "disk":
		c.at(nodeID(t, d, d.CmdArgs[0].Key)).slow = d.HasArg("slow")
	case "sync":
		each(t, d, c.sync)
	case "crash":
		each(t, d, c.crash)
	case "restart":
		each(t, d, c.restart)
	case "partition":
		var side []raft.NodeID
		each(t, d, func(id raft.NodeID) { side = append(side, id) })
		c.isolate(side...)
	case "cut":
		a, b := nodeID(t, d, d.CmdArgs[0].Key), nodeID(t, d, d.CmdArgs[1].Key)
		c.cut[[2]raft.NodeID{a, b}], c.cut[[2]raft.NodeID{b, a}] = true, true
	case "heal":
		c.heal()
	case "logs":
		s.logs()
	case "peers":
		s.peers(nodeID(t, d, d.CmdArgs[0].Key))
	case "walk-back":
		s.walkBack(nodeID(t, d, d.CmdArgs[0].Key))
	case "refusals":
		s.refusals(nodeID(t, d, d.CmdArgs[0].Key))
	default:
		d.Fatalf(t, "no command %q", d.Cmd)
	}
}

// answer says why the server refuses.
func (s *script) answer(err error) {
	if err != nil {
		s.c.say("refused: %v", err)
	}
}

func (s *script) number(t *testing.T, d *datadriven.TestData, k int) int {
	n, err := strconv.Atoi(d.CmdArgs[k].Key)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return n
}

func (s *script) logs() {
	for _, m := range s.c.servers {
		role, term := "down", m.disk.state.Term
		if m.node != nil {
			role, term = m.node.Role().String(), m.node.Term()
		}
		s.c.say("%v %-12s t%d  %s", m.id, role, term, s.c.terms(m.id))
	}
}

func (s *script) peers(id raft.NodeID) {
	for _, p := range s.c.node(id).Status().Peers {
		s.c.say("%v match %d next %d under way %d %v", p.ID, p.Match, p.Next, p.Inflight, p.Flow)
	}
}

// walkBack reckons, before a new leader is heard, how often its followers would
// refuse it if nextIndex went back by one each time (§5.3). Its first question
// is about the entry before its no-op.
func (s *script) walkBack(leader raft.NodeID) {
	s.plain = map[raft.NodeID]int{}
	own := s.c.node(leader)
	for _, m := range s.c.servers {
		if m.id == leader {
			continue
		}
		prev := own.LastIndex() - 1
		for ; ; prev-- {
			ownTerm, _ := own.TermOf(prev)
			if term, ok := m.node.TermOf(prev); ok && term == ownTerm {
				break
			}
			s.plain[m.id]++
		}
	}
}

func (s *script) refusals(leader raft.NodeID) {
	hinted := map[raft.NodeID]int{}
	for _, e := range s.c.events(leader, raft.EventBackedUp) {
		hinted[e.Peer]++
	}
	for _, m := range s.c.servers {
		if m.id != leader {
			s.c.say("%v %d, entry by entry %d", m.id, hinted[m.id], s.plain[m.id])
		}
	}
}

func each(t *testing.T, d *datadriven.TestData, do func(raft.NodeID)) {
	for _, a := range d.CmdArgs {
		if a.Key != "quiet" {
			do(nodeID(t, d, a.Key))
		}
	}
}

func nodeID(t *testing.T, d *datadriven.TestData, word string) raft.NodeID {
	n, err := strconv.Atoi(strings.TrimPrefix(word, "S"))
	if err != nil || n < 1 {
		d.Fatalf(t, "no server %q", word)
	}
	return raft.NodeID(n)
}

// filter reads from=, to= and kind=.
func filter(t *testing.T, d *datadriven.TestData) (all []which) {
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "from", "to":
			any := map[raft.NodeID]bool{}
			for _, v := range a.Vals {
				any[nodeID(t, d, v)] = true
			}
			sender := a.Key == "from"
			all = append(all, func(m raft.Message) bool { return sender && any[m.From] || !sender && any[m.To] })
		case "kind":
			all = append(all, func(m raft.Message) bool { return kindOf(m) == a.Vals[0] })
		case "quiet":
		default:
			d.Fatalf(t, "no filter %q", a.Key)
		}
	}
	return all
}

// kindOf names a message as the lab's frames are named.
func kindOf(m raft.Message) string {
	switch b := m.Body.(type) {
	case *raft.RequestVote:
		if b.PreVote {
			return "prevote"
		}
		return "vote"
	case *raft.RequestVoteReply:
		if b.PreVote {
			return "prevote-reply"
		}
		return "vote-reply"
	case *raft.AppendEntries:
		if len(b.Entries) == 0 {
			return "heartbeat"
		}
		return "append"
	case *raft.AppendEntriesReply:
		return "append-reply"
	case *raft.InstallSnapshot:
		return "snapshot"
	case *raft.InstallSnapshotReply:
		return "snapshot-reply"
	case *raft.TimeoutNow:
		return "timeout-now"
	case *raft.ReadIndex:
		return "read-index"
	case *raft.ReadIndexReply:
		return "read-index-reply"
	}
	return fmt.Sprintf("%T", m.Body)
}
