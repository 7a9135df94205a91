package node

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// The environment a node process is started with.
const (
	EnvID    = "RAFTLAB_NODE_ID"
	EnvDir   = "RAFTLAB_NODE_DIR"
	EnvLab   = "RAFTLAB_LAB_ADDR"
	EnvToken = "RAFTLAB_LAB_TOKEN"
	EnvDisk  = "RAFTLAB_NODE_DISK" // a [wire.Disk] as JSON, when something is wrong with it
)

// Options say who the node is and where its lab is found.
type Options struct {
	ID      raft.NodeID
	Dir     string // its log; made when it does not exist
	LabAddr string // host:port
	Token   string // the lab's, said in the hello
	Logger  *slog.Logger

	// Alone says that the process runs this node and nothing else, so that Run
	// sets the garbage collector for the whole process and gives memory back to
	// the system when load has passed.
	Alone bool

	Disk     wire.Disk    // what is wrong with the disk
	openFile wal.OpenFile // what the disk is made of; nil is the real one
}

// FromEnv reads the Options of a node process from its environment. The error
// is an [*EnvError].
func FromEnv() (Options, error) {
	o := Options{
		Dir:     os.Getenv(EnvDir),
		LabAddr: os.Getenv(EnvLab),
		Token:   os.Getenv(EnvToken),
		Alone:   true,
	}
	for _, v := range []struct{ name, value string }{{EnvID, os.Getenv(EnvID)}, {EnvDir, o.Dir}, {EnvLab, o.LabAddr}} {
		if v.value == "" {
			return Options{}, &EnvError{Name: v.name, Reason: "is not set"}
		}
	}
	id, err := strconv.ParseUint(os.Getenv(EnvID), 10, 64)
	if err != nil || id == 0 {
		return Options{}, &EnvError{Name: EnvID, Reason: fmt.Sprintf("is %q, not a node's number", os.Getenv(EnvID))}
	}
	o.ID = raft.NodeID(id)
	if s := os.Getenv(EnvDisk); s != "" {
		if err := json.Unmarshal([]byte(s), &o.Disk); err != nil || !o.Disk.Valid() {
			return Options{}, &EnvError{Name: EnvDisk, Reason: fmt.Sprintf("is %q, and no disk", s)}
		}
	}
	return o, nil
}

func (o *Options) check() error {
	switch {
	case o.ID == 0:
		return fmt.Errorf("node options: ID is 0, ids start at 1")
	case o.Dir == "":
		return fmt.Errorf("node options: Dir is empty")
	case o.LabAddr == "":
		return fmt.Errorf("node options: LabAddr is empty")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
