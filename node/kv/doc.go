// Package kv is the replicated state machine: keys with values, compare-and-set,
// counters, and the client sessions that make a retried command take effect
// once (thesis §6.3). It is deterministic: equal commands in equal order give
// equal states and answers on every node.
package kv
