// Package check watches Raft's safety properties from outside: it is fed what
// each server does and what the network sees, in whatever order that becomes
// known, and says what cannot all be true.
package check
