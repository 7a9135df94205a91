// Package wire is the one codec of everything that runs over TCP: Raft
// messages between nodes, clients' requests, and the conversation between a
// node and its lab.
//
// A frame is a 4-byte big-endian length and then that many bytes: one msgpack
// array. Its first five elements are the [Header] (kind, from, to, id, term),
// which the network reads without looking at the rest. Whoever dials says
// [Hello] first. A length over [MaxFrame], a type where another belongs, or a
// hello of another version is an error on that connection and nothing more.
//
// Elements and fields may be added behind those there are: who does not know
// them skips them. testdata/frames.txt shows a frame of every kind, for whoever
// writes a node of another make.
package wire
