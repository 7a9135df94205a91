// Package kv is the replicated state machine: keys with values, compare-and-set,
// counters, and the client sessions that make a retried command take effect
// once (thesis §6.3). It is deterministic: equal commands in equal order give
// equal states and answers on every node, and equal bytes as a snapshot (§7).
//
// A snapshot is written beside the store, which goes on: [Store.Freeze],
// [Frozen.WriteTo] in another goroutine, [Frozen.Release]. What comes meanwhile
// is laid over the frozen state and taken back into it afterwards, so that no
// command waits. [Restore] reads what was written.
package kv
