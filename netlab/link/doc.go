// Package link decides what happens to a frame on one directed link: when it
// is due at the other end, or why it never gets there. It is pure. A verdict
// depends on the link's rules, the lab's seed, the frame, and the frames of the
// same link before it, and on nothing else; nothing here sleeps, writes or reads
// a clock.
//
// What is set on a link are [Rules]: a wall, which partitions put up, and any
// number of faults. A [Fault] is one [Effect] on the frames that its [Match]
// picks. Each effect is a type in a file of its own with a method judge that
// changes the [Verdict]; faults do not know each other and are layers: several of
// the same effect act one after the other. Which layer comes first is a matter
// of the effects (see rank), not of the order in which somebody set them.
//
// What a fault draws by chance is a function of the seed, the link's ends, the
// frame's number on the link, the effect, and how many faults of the same effect
// stand before it on the link. So the verdict on frame 17 from S1 to S3 stays the
// same whatever happens elsewhere, and whichever other faults are set: a run can
// be repeated, and changed in one place.
package link
