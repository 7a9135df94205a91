// Package client speaks to the nodes of a cluster as their clients do: it
// keeps many requests under way on one connection, goes where a follower says
// the leader is, and retries under a session so that a retry counts once
// (thesis §6.3).
package client
