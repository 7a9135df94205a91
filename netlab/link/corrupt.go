package link

// Corrupt changes a byte of a share of the frames. Which byte, and what it
// becomes, is drawn. The receiver finds out by the frame's checksum and refuses
// it.
type Corrupt struct {
	Share float64
}

func (Corrupt) Verb() string      { return "corrupt" }
func (k Corrupt) args() string    { return Percent(k.Share) }
func (k Corrupt) validate() error { return checkShare("corruption", k.Share) }
func (Corrupt) kind() uint64      { return drawCorrupt }

func (k Corrupt) judge(c *call) {
	if c.chance(k.Share) {
		c.v.Damage = c.draw(useDetail) | 1
		c.s.hits.Acted++
	}
}

func (k Corrupt) equal(o Effect) bool { return o == Effect(k) }

// Damage changes one byte of b, which must not be empty, as a verdict's Damage
// says. The caller leaves out what must stay whole for the next frame to be
// found: the length before it.
func Damage(b []byte, damage uint64) {
	at := below(damage, uint64(len(b)))
	b[at] ^= byte(1 + mix(damage)%255)
}
