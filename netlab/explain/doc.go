// Package explain says in plain sentences what goes on in a lab: what an event
// means and which rule of Raft is behind it ([Event]), and why the cluster as a
// whole is as it is ([Headline]). One list of sentences serves the event
// stream, the terminal UI and the demos. It is pure: it looks at what it is
// given and knows no lab.
package explain
