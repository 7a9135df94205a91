package node

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"

	"github.com/raftlab/raftlab/node/wal"
)

const (
	diskPage = 4 << 10
	// diskCacheMost is how much a lying disk has in its cache at most: what drives
	// with a volatile cache have.
	diskCacheMost = 32 << 20
)

// diskCache is what was written to files and has not come to the disk. It reads as
// if it had. With more than diskCacheMost in it the oldest pages are pushed out to
// the files, without a sync, as a drive does.
type diskCache struct {
	files map[string]map[int64]*cachedPage // by path and page number
	order []cacheKey                       // as they came; some may be gone
	pages int
}

type cacheKey struct {
	path string
	page int64
}

// cachedPage is a page of a file, of which the bytes from lo up to hi are newer
// than the disk's.
type cachedPage struct {
	b      [diskPage]byte
	lo, hi int
}

// run is bytes that follow each other in a file.
type run struct {
	off int64
	b   []byte
}

func (c *diskCache) has(path string) bool { return len(c.files[path]) > 0 }

// write keeps b, which is to be written to base at off.
func (c *diskCache) write(base wal.File, path string, b []byte, off int64) error {
	if c.files == nil {
		c.files = make(map[string]map[int64]*cachedPage)
	}
	if c.files[path] == nil {
		c.files[path] = make(map[int64]*cachedPage)
	}
	for len(b) > 0 {
		number, at := off/diskPage, int(off%diskPage)
		n := min(diskPage-at, len(b))
		p := c.files[path][number]
		if p == nil {
			p = &cachedPage{lo: at, hi: at}
			// What lies between two writes is written with them.
			if _, err := base.ReadAt(p.b[:], number*diskPage); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			c.files[path][number] = p
			c.order = append(c.order, cacheKey{path, number})
			c.pages++
		}
		copy(p.b[at:], b[:n])
		p.lo, p.hi = min(p.lo, at), max(p.hi, at+n)
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// read is base.ReadAt of a file that is newer here.
func (c *diskCache) read(base wal.File, path string, b []byte, off int64) (int, error) {
	n, err := base.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	clear(b[n:])
	pages := c.files[path]
	for number := off / diskPage; number*diskPage < off+int64(len(b)); number++ {
		p := pages[number]
		if p == nil {
			continue
		}
		from := max(number*diskPage+int64(p.lo), off)
		to := min(number*diskPage+int64(p.hi), off+int64(len(b)))
		if from < to {
			copy(b[from-off:to-off], p.b[from-number*diskPage:])
			n = max(n, int(to-off))
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// runs is all that is kept of a file, ascending.
func (c *diskCache) runs(path string) []run {
	var out []run
	for _, number := range slices.Sorted(maps.Keys(c.files[path])) {
		p := c.files[path][number]
		off, b := number*diskPage+int64(p.lo), p.b[p.lo:p.hi]
		if n := len(out); n > 0 && out[n-1].off+int64(len(out[n-1].b)) == off {
			out[n-1].b = append(out[n-1].b, b...)
			continue
		}
		out = append(out, run{off, slices.Clone(b)})
	}
	return out
}

// flush writes all that is kept of a file to base.
func (c *diskCache) flush(base wal.File, path string) error {
	for _, r := range c.runs(path) {
		if _, err := base.WriteAt(r.b, r.off); err != nil {
			return err
		}
	}
	c.drop(path)
	return nil
}

// drop forgets all that is kept of a file.
func (c *diskCache) drop(path string) {
	c.pages -= len(c.files[path])
	delete(c.files, path)
	c.order = slices.DeleteFunc(c.order, func(k cacheKey) bool { return k.path == path })
}

// empty writes everything to the files and, with sync, syncs them. A file that
// was removed meanwhile needs nothing.
func (c *diskCache) empty(open wal.OpenFile, sync bool) error {
	for _, path := range slices.Sorted(maps.Keys(c.files)) {
		err := c.onto(open, path, func(f wal.File) error {
			if err := c.flush(f, path); err != nil || !sync {
				return err
			}
			return f.Sync()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// shrink writes the oldest pages to their files until no more than this many
// bytes are kept.
func (c *diskCache) shrink(open wal.OpenFile, bytes int) error {
	for c.pages*diskPage > bytes {
		k := c.order[0]
		p := c.files[k.path][k.page]
		err := c.onto(open, k.path, func(f wal.File) error {
			_, err := f.WriteAt(p.b[p.lo:p.hi], k.page*diskPage+int64(p.lo))
			return err
		})
		if err != nil {
			return err
		}
		if c.pages == 0 || len(c.order) == 0 || c.order[0] != k {
			continue // its file is gone, and all of it
		}
		c.order = c.order[1:]
		c.pages--
		delete(c.files[k.path], k.page)
	}
	return nil
}

// onto opens a file for f. Of one that is gone everything is dropped instead.
func (c *diskCache) onto(open wal.OpenFile, path string, f func(wal.File) error) error {
	file, err := open(path, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		c.drop(path)
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f(file), file.Close())
}

// tear writes a part of what is kept of a file to base, from its beginning on
// and not to its end, and goes on keeping all of it.
func (c *diskCache) tear(base wal.File, path string, draw *rand.Rand) error {
	runs := c.runs(path)
	total := 0
	for _, r := range runs {
		total += len(r.b)
	}
	left := total/4 + draw.IntN(total-total/4)
	for _, r := range runs {
		n := min(left, len(r.b))
		left -= n
		// A frame of the log begins at a multiple of 32: in between is inside one.
		if left == 0 && (r.off+int64(n))%32 == 0 && n > 0 {
			n--
		}
		if _, err := base.WriteAt(r.b[:n], r.off); err != nil {
			return err
		}
		if left == 0 {
			break
		}
	}
	return nil
}
