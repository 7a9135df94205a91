package netlab

import (
	"errors"
	"fmt"
	"slices"
)

// roster is who is in a lab, as it stands in lab.json: what the lab's next
// process starts again.
type roster struct {
	// Bootstrap are the voters of the cluster's first configuration, those of them
	// included that were removed since: nodes that have no other configuration in
	// their log count by it, and must all count by the same.
	Bootstrap []int `json:"bootstrap,omitempty"`
	// Changed: a change of that configuration was begun, so that a node without data
	// can no longer be told it.
	Changed bool        `json:"changed,omitempty"`
	Nodes   []rosterOne `json:"members,omitempty"` // ascending by ID
}

// rosterOne is one node of a lab.
type rosterOne struct {
	ID int `json:"id"`
	// Joins: it is told no first configuration, but waits for a leader that has
	// it in its own.
	Joins bool `json:"joins,omitempty"`
	// Leaves: it is being removed, and ends once the configuration is without it.
	Leaves bool `json:"leaves,omitempty"`
}

// firstRoster is a new lab's: nodes 1 to n, all of them voters.
func firstRoster(n int) roster {
	var r roster
	for id := 1; id <= n; id++ {
		r.Bootstrap = append(r.Bootstrap, id)
		r.Nodes = append(r.Nodes, rosterOne{ID: id})
	}
	return r
}

// validate says what is wrong with what stands in lab.json.
func (r *roster) validate() error {
	for i, n := range r.Nodes {
		if n.ID < 1 || n.ID > NodesMax || i > 0 && n.ID <= r.Nodes[i-1].ID {
			return fmt.Errorf("its members are not ascending from 1 to %d", NodesMax)
		}
	}
	for i, id := range r.Bootstrap {
		if id < 1 || id > NodesMax || i > 0 && id <= r.Bootstrap[i-1] {
			return fmt.Errorf("its first voters are not ascending from 1 to %d", NodesMax)
		}
	}
	if len(r.Nodes) == 0 || len(r.Bootstrap) == 0 {
		return errors.New("it has no members")
	}
	return nil
}

// callRoster makes the members that lab.json names. With nothing running yet.
func (l *lab) callRoster(r *roster) {
	l.bootstrap, l.changedOnce = r.Bootstrap, r.Changed
	for _, n := range r.Nodes {
		m := newMember(n.ID)
		m.joins, m.leaves = n.Joins, n.Leaves
		l.members = append(l.members, m)
		l.faults.addNode(n.ID, l.ids(), l.config.linkRules)
	}
}

// saveRoster writes down who is in the lab.
func (l *lab) saveRoster() error {
	l.metaMu.Lock()
	defer l.metaMu.Unlock()
	if l.meta == nil {
		return nil // a lab that is kept nowhere
	}
	l.mu.Lock()
	r := roster{Bootstrap: l.bootstrap, Changed: l.changedOnce}
	for _, m := range l.members {
		r.Nodes = append(r.Nodes, rosterOne{ID: m.id, Joins: m.joins, Leaves: m.leaves})
	}
	l.mu.Unlock()
	l.meta.roster = r
	if err := l.dir.writeMeta(l.meta); err != nil {
		return fmt.Errorf("write down who is in the lab: %w", err)
	}
	return nil
}

// enlist makes a node that joins: its links, its place in the address books,
// its line in lab.json. It starts no process. With acting held.
//
// A node of this number that was removed has left its data, and this one goes on
// with it. Who was cut off while that one was removed still counts its votes, and
// the entries it has, as those of the server of that number. Under a server with
// that number and no memory of either, who is cut off could win an election
// without what is committed, or in a term that has a leader (§5.2, §5.4.1).
func (l *lab) enlist(id int) (*member, error) {
	m := newMember(id)
	m.joins = true
	l.mu.Lock()
	err := l.connect(m)
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := l.saveRoster(); err != nil {
		return nil, errors.Join(err, l.strike(m))
	}
	return m, nil
}

// connect puts a node among the members and into the network. With mu held.
func (l *lab) connect(m *member) error {
	if err := l.network.add(m.id); err != nil {
		return err
	}
	l.faults.addNode(m.id, l.ids(), l.config.linkRules)
	if err := l.setNetwork(l.faults.on); err != nil {
		l.faults.removeNode(m.id)
		return errors.Join(err, l.network.remove(m.id))
	}
	i, _ := l.place(m.id)
	l.members = slices.Insert(slices.Clone(l.members), i, m)
	l.touch(m)
	l.touchLab()
	l.tellAddresses()
	return nil
}

// strike takes a node out of the lab whose process has ended, and its links with
// it. Its data stays, see enlist. With acting held.
func (l *lab) strike(m *member) error {
	l.mu.Lock()
	if l.member(m.id) != m {
		l.mu.Unlock()
		return nil
	}
	l.members = slices.DeleteFunc(slices.Clone(l.members), func(o *member) bool { return o == m })
	for _, f := range l.faults.removeNode(m.id) {
		l.event(Event{Kind: EventFault, Text: fmt.Sprintf("%s is gone with the links of S%d: %s", faultName(f.id), m.id, f.text())})
	}
	l.touchLab()
	l.gone[m.id] = l.rev
	l.tellAddresses() // before the links go: nobody is to dial what is not there
	err := l.network.remove(m.id)
	l.mu.Unlock()
	defer close(m.gone)
	return errors.Join(err, l.saveRoster())
}

// dismiss ends a node's process and strikes it. With acting held.
func (l *lab) dismiss(m *member) error {
	if _, _, err := l.killMember(m); err != nil {
		return err
	}
	if err := l.strike(m); err != nil {
		return Errorf(ExitFailed, "remove S%d: %v", m.id, err)
	}
	return nil
}

// seeOff waits until a node that leaves is out of the configuration in force,
// and dismisses it. It gives up when the node is to stay after all.
func (l *lab) seeOff(m *member) {
	for {
		l.mu.Lock()
		changed, leaves, out := l.changed(), m.leaves && l.member(m.id) == m, l.out(m)
		if !leaves {
			m.seenOff = false
		}
		l.mu.Unlock()
		if !leaves || l.ctx.Err() != nil {
			return
		}
		if out {
			l.acting.Lock()
			l.mu.Lock()
			out = m.leaves && l.member(m.id) == m && l.out(m)
			l.mu.Unlock()
			if out && l.ctx.Err() == nil {
				if err := l.dismiss(m); err != nil {
					l.log.Error("node not removed", "node", m.id, "error", err)
					l.tellOf(m.id, fmt.Sprintf("is out of the configuration, but could not be removed: %v", err))
				} else {
					l.tellOf(m.id, "removed: its process has ended and its links are gone; its data stays, should it be added again")
				}
				l.acting.Unlock()
				return
			}
			l.acting.Unlock()
			continue
		}
		if l.await(l.ctx, wake{on: channels{changed}}) != nil {
			return
		}
	}
}

// tellOf keeps an event of a node's process.
func (l *lab) tellOf(id int, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.event(Event{Kind: EventProcess, Node: id, Text: text})
}

// out reports whether the configuration in force is without a node, and another
// node leads: its vote counts for nothing any more (§6), and what it told its
// successor (thesis §3.10) has arrived. With mu held.
func (l *lab) out(m *member) bool {
	c, settled := l.inForce()
	return settled && !c.Has(m.id) && l.leader() != m.id
}

// let marks nodes as leaving, or as staying, and has those that leave seen off.
// With acting held.
func (l *lab) let(leave bool, members []*member) error {
	if l.ctx.Err() != nil {
		return errStopping // what stands in lab.json is the next process's
	}
	l.mu.Lock()
	for _, m := range members {
		if m.leaves = leave; leave && !m.seenOff {
			m.seenOff = true
			l.spawn(func() { l.seeOff(m) })
		}
	}
	l.wake()
	l.mu.Unlock()
	return l.saveRoster()
}

// forgets sees to it that a node without data is started as what it can safely
// be. Once the configuration was changed it must not believe in the first one,
// in which it could have a majority that the cluster has not: it joins. When no
// node is left that has data there is no cluster to join, and the lab begins
// anew with the nodes it has. With acting held.
func (l *lab) forgets(wiped []*member) error {
	l.mu.Lock()
	changed, members := l.changedOnce, l.members
	l.mu.Unlock()
	if !changed {
		return nil
	}
	empty := true
	for _, m := range members {
		stored, err := l.engine.hasData(m.id)
		if err != nil {
			return fmt.Errorf("look for the data of S%d: %w", m.id, err)
		}
		empty = empty && !stored
	}
	if empty {
		if err := l.forgetFormer(); err != nil {
			return err
		}
	}
	l.mu.Lock()
	if empty {
		l.bootstrap, l.changedOnce = l.ids(), false
		wiped = l.members
	}
	for _, m := range wiped {
		m.joins = !empty
	}
	l.mu.Unlock()
	return l.saveRoster()
}

// forgetFormer deletes what nodes have left that were removed: a cluster that
// begins anew shares no log with them. With acting held.
func (l *lab) forgetFormer() error {
	for id := 1; id <= NodesMax; id++ {
		l.mu.Lock()
		here := l.member(id) != nil
		l.mu.Unlock()
		if here {
			continue
		}
		if err := l.engine.forget(id); err != nil {
			return fmt.Errorf("delete the data of S%d, which was removed: %w", id, err)
		}
	}
	return nil
}
