package netlab

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adrg/xdg"
)

// DefaultName is the lab that commands speak of when none is named.
const DefaultName = "default"

// Home returns the directory of all labs: RAFTLAB_HOME, else raftlab in the
// user's XDG state directory. It need not exist.
func Home() (string, error) {
	if h := os.Getenv("RAFTLAB_HOME"); h != "" {
		abs, err := filepath.Abs(h)
		if err != nil {
			return "", Errorf(ExitFailed, "RAFTLAB_HOME is %s: %v", quote(h), err)
		}
		return abs, nil
	}
	xdg.Reload() // it reads the environment once, when the program starts
	if !filepath.IsAbs(xdg.StateHome) {
		return "", Errorf(ExitFailed, "no directory to keep labs in: neither RAFTLAB_HOME nor a home directory is known").
			WithHint("set RAFTLAB_HOME to a directory")
	}
	return filepath.Join(xdg.StateHome, "raftlab"), nil
}

// homeError says why there can be no labs in home.
func homeError(home string, err error) *Error {
	e := Errorf(ExitFailed, "the directory of all labs cannot be used: %v", err)
	if isNotDir(home) {
		e = Errorf(ExitFailed, "the directory of all labs is to be %s, and that is no directory", home)
	}
	return e.WithHint("set RAFTLAB_HOME to a directory you can write to")
}

// isNotDir tells whether something that is no directory stands where home belongs.
func isNotDir(home string) bool {
	info, err := os.Stat(home)
	return err == nil && !info.IsDir()
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// CheckName says whether a lab may be called so: its name is a directory's.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return Errorf(ExitUsage, "%s is no name for a lab", quote(name)).
			WithHint("a name is 1 to 63 letters, digits, dots, dashes or underscores, and starts with a letter or a digit")
	}
	return nil
}

// dir is a lab's directory.
type dir string

func (d dir) meta() string              { return filepath.Join(string(d), "lab.json") }
func (d dir) lock() string              { return filepath.Join(string(d), "lock") }
func (d dir) log() string               { return filepath.Join(string(d), "lab.log") }
func (d dir) binary() string            { return filepath.Join(string(d), "bin", "raftlab"+exeSuffix()) }
func (d dir) node(id int) string        { return filepath.Join(string(d), "nodes", strconv.Itoa(id)) }
func (d dir) nodeData(id int) string    { return filepath.Join(d.node(id), "data") }
func (d dir) nodeLog(id int) string     { return filepath.Join(d.node(id), "node.log") }
func (d dir) startLock(n string) string { return filepath.Join(filepath.Dir(string(d)), "."+n+".lock") }

// owns tells whether a file of this name in a lab's directory is the lab's.
func (d dir) owns(name string) bool {
	switch filepath.Join(string(d), name) {
	case d.history(), d.historyOld(), d.historyDamaged():
		return true
	case d.meta(), d.meta() + ".new", d.lock(), d.log(), filepath.Dir(d.binary()), filepath.Dir(d.node(1)), d.ownSocket():
		return true
	}
	return false
}

// foreign is the name of something in a lab's directory that is not the lab's,
// "" when there is nothing. Such a directory is never removed, whoever asks: a
// lab's name may have been somebody's directory first.
func (d dir) foreign() (string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, e := range entries {
		if !d.owns(e.Name()) {
			return e.Name(), nil
		}
	}
	return "", nil
}

// clean makes a lab's directory as if there had never been a lab. What is not
// the lab's stays, and the directory with it. The nodes of one that was killed
// need a moment to end, and may make files until then.
func (d dir) clean() error {
	if m, err := d.readMeta(); err == nil {
		if err := d.removeSocket(m.Socket); err != nil {
			return err
		}
	}
	err := d.removeOwn()
	for last := time.Now().Add(2 * endTimeout); err != nil && time.Now().Before(last); err = d.removeOwn() {
		if !isNotEmpty(err) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func (d dir) removeOwn() error {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	foreign := false
	for _, e := range entries {
		if !d.owns(e.Name()) {
			foreign = true
			continue
		}
		if err := os.RemoveAll(filepath.Join(string(d), e.Name())); err != nil {
			return err
		}
	}
	if foreign {
		return nil
	}
	return os.Remove(string(d))
}

// name is the lab's, as its directory tells.
func (d dir) name() string { return filepath.Base(string(d)) }

// ownSocket is where d's control socket is, unless that is too long a path.
func (d dir) ownSocket() string { return filepath.Join(string(d), "raftlab.sock") }

func exeSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// meta is lab.json: what others need to know of a lab without asking it.
type meta struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Pid     int       `json:"pid"` // 0: no process has taken it up yet, or it was stopped
	Socket  string    `json:"socket"`
	Config  Config    `json:"config"`
	Started time.Time `json:"started"`
	Runs    int       `json:"runs"`    // how often a process took it up; tells clients' sessions of two runs apart
	Stopped bool      `json:"stopped"` // on purpose: its process ends, or has
	Kept    bool      `json:"kept"`    // and left its data for the next
	roster
}

func (d dir) readMeta() (*meta, error) {
	data, err := os.ReadFile(d.meta())
	if err != nil {
		return nil, err
	}
	m := new(meta)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("read %s: %w", d.meta(), err)
	}
	if m.Config.Nodes == 0 {
		return nil, fmt.Errorf("read %s: it says nothing of a lab", d.meta())
	}
	if len(m.Nodes) == 0 {
		m.roster = firstRoster(m.Config.Nodes)
	}
	if err := m.roster.validate(); err != nil {
		return nil, fmt.Errorf("read %s: %w", d.meta(), err)
	}
	if !d.trusts(m.Socket) {
		m.Socket = ""
	}
	return m, nil
}

// trusts tells whether path can be d's control socket. What lab.json says is
// connected to and removed: after a copy of the directory, or damage, it names
// another lab's, or any file.
func (d dir) trusts(path string) bool {
	parent, base := filepath.Split(path)
	if strings.HasPrefix(filepath.Base(parent), shortPrefix) {
		return base == "s"
	}
	if base != filepath.Base(d.ownSocket()) {
		return false
	}
	here, err := os.Stat(string(d))
	if err != nil {
		return false
	}
	there, err := os.Stat(parent) // the same directory may have two paths
	return err == nil && os.SameFile(here, there)
}

// shortPrefix begins the names of directories that sockets have for themselves.
const shortPrefix = "raftlab-"

// writeMeta replaces lab.json in one step, so that nobody reads half of it.
func (d dir) writeMeta(m *meta) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	tmp := d.meta() + ".new"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, d.meta())
}

// socketMax is what fits into sockaddr_un everywhere: 104 bytes on the BSDs,
// 108 on Linux, the closing zero included.
const socketMax = 103

// socketPath returns where d's control socket belongs: in d, or when that is
// too long a path for a socket in a short private directory of its own, which
// it makes.
func (d dir) socketPath() (string, error) {
	path := d.ownSocket()
	if len(path) <= socketMax {
		return path, nil
	}
	sum := sha256.Sum256([]byte(d))
	short := filepath.Join(os.TempDir(), shortPrefix+hex.EncodeToString(sum[:6]))
	path = filepath.Join(short, "s")
	if len(path) > socketMax {
		return "", Errorf(ExitFailed, "no path short enough for the lab's socket: %s and %s are both too long", d, os.TempDir()).
			WithHint("set RAFTLAB_HOME or TMPDIR to a shorter path")
	}
	// Made here, never taken over: in a shared directory somebody else's could wait.
	if err := os.Mkdir(short, 0o700); errors.Is(err, fs.ErrExist) {
		if err := os.RemoveAll(short); err != nil {
			return "", fmt.Errorf("clear the socket's directory: %w", err)
		}
		err = os.Mkdir(short, 0o700)
		if err != nil {
			return "", fmt.Errorf("make the socket's directory: %w", err)
		}
	} else if err != nil {
		return "", fmt.Errorf("make the socket's directory: %w", err)
	}
	return path, nil
}

// removeSocket removes a control socket and, when it has one of its own, its directory.
func (d dir) removeSocket(path string) error {
	if path == "" {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if parent := filepath.Dir(path); parent != string(d) && strings.HasPrefix(filepath.Base(parent), shortPrefix) {
		if err := os.Remove(parent); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// dialTimeout bounds a connect to a lab's socket, which is local: a lab that
// does not take it is not there or hangs.
const dialTimeout = 2 * time.Second

// answers tells whether a process listens on the lab's socket.
func (m *meta) answers() bool {
	if m.Socket == "" {
		return false
	}
	conn, err := net.DialTimeout("unix", m.Socket, dialTimeout)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// List returns the labs of home, by name. A home that does not exist has none.
func List(home string) ([]Info, error) {
	entries, err := os.ReadDir(home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, homeError(home, err)
	}
	var out []Info
	for _, e := range entries {
		if !e.IsDir() || CheckName(e.Name()) != nil {
			continue
		}
		d := dir(filepath.Join(home, e.Name()))
		info := Info{Name: e.Name(), Dir: string(d)}
		m, err := d.readMeta()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // somebody else's directory
		case err != nil:
			if foreign, ferr := d.foreign(); ferr != nil || foreign != "" {
				continue // somebody else's, too
			}
			info.Note = err.Error()
		default:
			info.Nodes, info.Started = len(m.Nodes), m.Started
			info.Unsafe = m.Config.settled().Unsafe
			info.Running = m.answers()
			if info.Running {
				info.Pid = m.Pid
			} else {
				info.Note = m.ended()
			}
		}
		out = append(out, info)
	}
	slices.SortFunc(out, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// ended says what became of a lab whose socket does not answer.
func (m *meta) ended() string {
	switch {
	case m.Kept:
		return "stopped, its data kept: \"raftlab up\" goes on with it"
	case m.Pid != 0:
		return fmt.Sprintf("its process (pid %d) is gone: ended without \"raftlab down\"", m.Pid)
	}
	return "never came up"
}
