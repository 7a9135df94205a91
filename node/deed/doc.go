// Package deed says what one server did, in the order it did it, for whoever
// checks from outside that servers keep Raft's promises: what it stores, calls
// committed and applies, what role it takes, what it forgets. Entries are told
// of by a digest of 32 bits each, so that a full load can be told of completely.
//
// A [Witness] makes deeds of what a server's core hands out; [Append] and [Next]
// write and read them as bytes.
package deed
