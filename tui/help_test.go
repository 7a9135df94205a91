package tui

import "testing"

// What a key does and what a sign means is read whole on 80 columns: it is
// not looked up to end in dots.
func TestHelpFits80Columns(t *testing.T) {
	const keyColumn = 19
	keys := newKeyMap()
	s := screen{keys: keys, actions: keys.actions()}
	for _, it := range s.helpItems("") {
		if w := textWidth(it.text); w > 80-2-keyColumn-3 {
			t.Errorf("%s: %d columns are too many: %s", it.key, w, it.text)
		}
	}
}
