package explore

import "github.com/raftlab/raftlab/netlab"

// eventsKept are enough to say what led to a violation.
const eventsKept = 1 << 10

// InMemory makes simulated labs inside this process.
func InMemory(c netlab.Config) (Lab, error) {
	lab, err := netlab.NewSimLab(c, netlab.SimOptions{Events: eventsKept})
	if err != nil {
		return nil, err
	}
	return lab, nil
}
