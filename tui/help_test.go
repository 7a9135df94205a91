package tui

import (
	"strings"
	"testing"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/node/wire"
)

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

// Every kind of frame that nodes exchange has a letter, and the help and the
// legend of the cluster say what each letter means.
func TestEveryLetterIsExplained(t *testing.T) {
	legend := strings.Join(legendLines[:], " ") + " "
	help := ""
	for _, s := range signs {
		help += " " + s[0] + " "
	}
	for k := wire.Kind(0); k < 100; k++ {
		if !k.Raft() {
			continue
		}
		for _, fr := range []netlab.Frame{{OK: true}, {}, {Done: true}} {
			fr.Kind = k.String()
			s := letter(&frame{Frame: fr})[:1]
			if s == "?" || fr.Short() == fr.Kind && k != wire.KindHeartbeat {
				t.Errorf("%s has no letter or no words: %q", fr.Kind, s)
				continue
			}
			if !strings.Contains(help, " "+s+" ") {
				t.Errorf("the help does not explain %q of %s", s, fr.Kind)
			}
			if !strings.Contains(" "+legend, " "+s+" ") {
				t.Errorf("the legend does not explain %q of %s", s, fr.Kind)
			}
		}
	}
}

// No key does two things in one place.
func TestKeysAreUnique(t *testing.T) {
	type place struct {
		in  overlay
		key string
	}
	keys := newKeyMap()
	does := map[place]string{}
	for _, a := range keys.actions() {
		for _, k := range a.key.Keys() {
			at := place{a.in, k}
			if other, ok := does[at]; ok {
				t.Errorf("%q is %q and %q", k, other, a.long)
			}
			does[at] = a.long
		}
	}
}
