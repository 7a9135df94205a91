// Package link decides what happens to a frame on one directed link: when it
// is due at the other end, or why it never gets there. It is pure. A verdict
// depends on the link's rules, the lab's seed, the frame and the lab time, and
// on nothing else; nothing here sleeps, writes or remembers.
//
// Each fault is a layer in a file of its own: a type that is a field of
// [Rules], off when zero, with a method judge that looks at the frame and
// changes the [Verdict]. Another fault is another file, another field and
// another line in [Judge]. Layers do not know each other: a partition leaves
// delays alone.
//
// What a fault draws by chance is a function of the seed, the link's ends, the
// frame's number on the link, and the fault. So the verdict on frame 17 from S1
// to S3 stays the same whatever happens elsewhere, and whichever other faults
// are set: a run can be repeated, and changed in one place.
package link
