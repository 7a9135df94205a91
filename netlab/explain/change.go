package explain

import (
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// change: the configuration is about to be another, or the newest is not
// committed yet. l is the leader, the zero Node when there is none.
func (v View) change(l Node) []clause {
	switch {
	case v.Config.Joint() && l.ID == 0:
		both := v.count(Node.runs)
		return []clause{say("The configuration is joint (entry %d): a leader needs votes of both, %s of the old voters and of the new.", v.ConfigIndex, both.bare()).
			or("Joint: %s votes of old and new are needed.", both.bare())}
	case v.Config.Joint() && !v.Committed:
		stored := v.count(func(n Node) bool { return v.stores(n, l) })
		return append([]clause{say("The configuration is joint: C_old,new (entry %d) is on %s, %s needed.", v.ConfigIndex, stored, stored.needed()).
			or("Joint: C_old,new is on %s.", stored.short())}, v.lacking(l)...)
	case v.Config.Joint():
		return []clause{say("The configuration is joint and C_old,new (entry %d) committed: C_new, which is %s, comes next.", v.ConfigIndex, Names(v.Config.Voters)).
			or("Joint: C_new comes next.")}
	case v.Target != nil && l.ID != 0:
		var late []raft.NodeID
		for _, id := range v.Target.Voters {
			if !slices.Contains(v.Config.Voters, id) {
				late = append(late, id)
			}
		}
		if len(late) == 0 {
			return []clause{say("%v prepares the configuration %s.", l.ID, Config(*v.Target)).or("%v prepares a change.", l.ID)}
		}
		return []clause{say("%v brings %s up to date before %s.", l.ID, And(late), vote(late))}
	case !v.Committed && v.ConfigIndex > 0:
		stored := v.count(func(n Node) bool { return v.stores(n, l) })
		return []clause{say("The configuration %s (entry %d) counts already and is not committed: it is on %s, %s needed.", Config(v.Config), v.ConfigIndex, stored, stored.needed()).
			or("C_new is on %s.", stored.short())}
	}
	return nil
}

// stores reports whether a node has the newest configuration's entry, as its
// leader knows.
func (v View) stores(n, l Node) bool {
	for _, p := range l.Peers {
		if p.ID == n.ID {
			return p.Match >= v.ConfigIndex
		}
	}
	return n.ID == l.ID
}

// lacking names the majority of a joint configuration that its leader does not
// reach.
func (v View) lacking(l Node) []clause {
	sets := v.reach(l).sets
	if len(sets) < 2 {
		return nil
	}
	old, new := sets[0], sets[1]
	switch {
	case old.have < old.majority() && new.have < new.majority():
		return []clause{say("%v reaches neither majority.", l.ID)}
	case old.have < old.majority():
		return []clause{say("%v reaches no majority of the old voters %s.", l.ID, Names(v.Config.VotersOld)).or("The old majority is not reached.")}
	case new.have < new.majority():
		return []clause{say("%v reaches no majority of the new voters %s.", l.ID, Names(v.Config.Voters)).or("The new majority is not reached.")}
	}
	return nil
}

// handover: the leader is about to be another.
func (v View) handover(l Node) []clause {
	if l.TransferTo == 0 {
		return nil
	}
	return []clause{say("%v hands over to %v and takes no writes meanwhile.", l.ID, l.TransferTo).or("%v hands over to %v.", l.ID, l.TransferTo)}
}

// sends reports whether leader l sends a node its snapshot.
func (l Node) sends(id raft.NodeID) bool {
	return slices.ContainsFunc(l.Peers, func(p raft.Progress) bool { return p.ID == id && p.Flow == raft.FlowSnapshot })
}

// snapshots: who needs entries that are dropped.
func (v View) snapshots(l Node) []clause {
	var out []clause
	for _, p := range l.Peers {
		if p.Flow != raft.FlowSnapshot || !v.runs(p.ID) {
			continue
		}
		c := say("%v is sent the snapshot of %d.", p.ID, p.SnapshotIndex)
		if l.SnapshotBytes > 0 {
			share := min(100, 100*p.SnapshotOffset/l.SnapshotBytes)
			c = say("%v needs entries that are dropped: %v sends it the snapshot of %d, %d %% have arrived.", p.ID, l.ID, p.SnapshotIndex, share).
				or("%v is sent a snapshot: %d %%.", p.ID, share)
		}
		out = append(out, c)
	}
	return out
}

func (v View) runs(id raft.NodeID) bool {
	return slices.ContainsFunc(v.Nodes, func(n Node) bool { return n.ID == id && n.runs() })
}

// stepped: leaders that no majority answered.
func (v View) stepped() []clause {
	var out []clause
	for _, n := range v.Nodes {
		if n.LostQuorum && n.runs() {
			out = append(out, say("%v gave up the leadership of term %d: no majority answered it.", n.ID, n.Term).or("%v gave up term %d.", n.ID, n.Term))
		}
	}
	return out
}

// strangers are the nodes of the lab that are not in the configuration.
func (v View) strangers() []raft.NodeID {
	var out []raft.NodeID
	for _, n := range v.Nodes {
		if !v.Config.Has(n.ID) {
			out = append(out, n.ID)
		}
	}
	return out
}

// outside: nodes that wait to be members, or are no more.
func (v View) outside() []clause {
	ids := v.strangers()
	switch len(ids) {
	case 0:
		return nil
	case 1:
		return []clause{say("%v is no member of the configuration.", ids[0]).or("%v is no member.", ids[0])}
	}
	return []clause{say("%s are no members of the configuration.", And(ids)).or("%s are no members.", And(ids))}
}
