package wal

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// disk is a disk whose syncs cost nothing, that fails on demand, and that can
// lose what it was never asked to sync.
type disk struct {
	mu    sync.Mutex
	files map[string][]write // what is not synced, by path
	names []change           // of names, not synced
	trash string             // where removed files are while that can be undone

	steps, last int // how often it was asked to change something; after last, unless 0, it is off

	onWrite, onSync func(path string) error // nil, or asked first
	off             bool                    // nothing reaches it any more
	held            bool                    // syncs wait
	passes          int                     // as many of them do not
	changed         *sync.Cond              // one of these was
}

// change of a name.
type change struct {
	removed string // the path of a file that was removed; "" for another change
	undo    func() error
}

// write is an unsynced one.
type write struct {
	off      int64
	old, new []byte
}

var errOff = errors.New("the disk is off")

func newDisk() *disk {
	d := &disk{files: make(map[string][]write)}
	d.changed = sync.NewCond(&d.mu)
	return d
}

// hold makes syncs wait, or lets them go on.
func (d *disk) hold(held bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held, d.passes = held, 0
	d.changed.Broadcast()
}

// pass lets one sync through although they are held.
func (d *disk) pass() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.passes++
	d.changed.Broadcast()
}

// options are those of a log on this disk.
func (d *disk) options() Options { return Options{OpenFile: d.open, names: d} }

// step is before every change; the caller has the lock.
func (d *disk) step() error {
	d.steps++
	if d.last != 0 && d.steps > d.last {
		d.off = true
		d.changed.Broadcast()
	}
	if d.off {
		return errOff
	}
	return nil
}

func (d *disk) open(path string, flag int) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := os.Stat(path)
	isNew := errors.Is(err, os.ErrNotExist)
	if isNew && flag&os.O_CREATE != 0 {
		if err := d.step(); err != nil {
			return nil, err
		}
		d.names = append(d.names, change{undo: func() error { return os.Remove(path) }})
	}
	f, err := os.OpenFile(path, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d}, nil
}

func (d *disk) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	if w, ok := d.files[from]; ok {
		d.files[to] = w
		delete(d.files, from)
	}
	d.names = append(d.names, change{undo: func() error { return os.Rename(to, from) }})
	return os.Rename(from, to)
}

func (d *disk) remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	if d.trash == "" {
		dir, err := os.MkdirTemp(filepath.Dir(path), "trash")
		if err != nil {
			return err
		}
		d.trash = dir
	}
	away := filepath.Join(d.trash, strconv.Itoa(d.steps))
	delete(d.files, path)
	d.names = append(d.names, change{removed: path, undo: func() error { return os.Rename(away, path) }})
	return os.Rename(path, away)
}

func (d *disk) syncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.names = nil
	return nil
}

type diskFile struct {
	*os.File
	disk *disk
}

func (f *diskFile) WriteAt(b []byte, off int64) (int, error) {
	d := f.disk
	if d.onWrite != nil {
		if err := d.onWrite(f.Name()); err != nil {
			return 0, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return 0, err
	}
	old := make([]byte, len(b))
	f.ReadAt(old, off) // short beyond the end: zeros
	d.files[f.Name()] = append(d.files[f.Name()], write{off, old, append([]byte(nil), b...)})
	return f.File.WriteAt(b, off)
}

func (f *diskFile) Sync() error {
	d := f.disk
	if d.onSync != nil {
		if err := d.onSync(f.Name()); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.held && d.passes == 0 && !d.off {
		d.changed.Wait()
	}
	d.passes = max(d.passes-1, 0)
	if err := d.step(); err != nil {
		return err
	}
	delete(d.files, f.Name())
	return nil
}

// cut is a power cut: of what was not synced each sector, and each name, may be
// on the disk or not. The disk is off until it is on again.
func (d *disk) cut(r *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	d.changed.Broadcast()
	lost := r.Float64()
	for path, writes := range d.files {
		f, err := os.OpenFile(path, os.O_RDWR, 0o644)
		if err != nil {
			return err
		}
		for _, w := range writes {
			for i := 0; i < len(w.old); {
				n := min(sectorSize-int(w.off+int64(i))%sectorSize, len(w.old)-i)
				if r.Float64() < lost {
					if _, err := f.WriteAt(w.old[i:i+n], w.off+int64(i)); err != nil {
						return err
					}
				}
				i += n
			}
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	clear(d.files)
	// Removals may be lost one without the other. Other changes may rest on
	// earlier ones: of them the last are lost.
	last := true
	for k := len(d.names) - 1; k >= 0; k-- {
		c := d.names[k]
		_, err := os.Stat(c.removed)
		if r.Float64() >= lost || !last && c.removed == "" || err == nil {
			last = false
			continue
		}
		if err := c.undo(); err != nil {
			return err
		}
	}
	d.names = nil
	return nil
}

// kill is the end of the process: what was written stays, of a last write
// perhaps only the first pages. A power cut later may still take it away.
func (d *disk) kill(r *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	d.changed.Broadcast()
	const page = 4096
	for path, writes := range d.files {
		last := writes[len(writes)-1]
		keep := (last.off+r.Int64N(int64(len(last.old)+page)))/page*page - last.off
		if keep < 0 || keep >= int64(len(last.old)) {
			continue
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0o644)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(last.old[keep:], last.off+keep)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		// What is not there any more cannot be lost again.
		d.files[path] = append(writes[:len(writes)-1:len(writes)-1], write{off: last.off, old: last.old[:keep], new: last.new[:keep]})
	}
	return nil
}

func (d *disk) on() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off, d.held, d.last = false, false, 0
}
