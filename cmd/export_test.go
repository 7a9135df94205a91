package cmd

// What the palette of the terminal UI is given.
var (
	Preview  = preview
	ExecLine = execLine
)
