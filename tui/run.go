package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/term"

	"github.com/raftlab/raftlab/netlab"
)

// Run shows the lab until the viewer leaves or ctx ends. The lab runs on. When
// it returns, the terminal is as it was; the last lines say how to come back.
func Run(ctx context.Context, opts Options) error {
	if err := opts.fill(); err != nil {
		return err
	}
	lk, err := opts.look()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	st := newStore(opts.Lab)
	m := newModel(ctx, opts, st, lk)
	how := []tea.ProgramOption{tea.WithContext(ctx), tea.WithOutput(opts.Output),
		tea.WithAltScreen(), tea.WithFPS(30), tea.WithReportFocus(), tea.WithoutSignalHandler()}
	if opts.Input != nil {
		how = append(how, tea.WithInput(opts.Input))
	}
	p := tea.NewProgram(m, how...)

	var panicked error
	var wg sync.WaitGroup
	wg.Go(func() {
		// A panic here would leave the terminal raw and the screen in place: end
		// the program first, tell afterwards. Quit, unlike Kill, waits until nobody
		// reads the terminal any more.
		defer func() {
			if v := recover(); v != nil {
				panicked = fmt.Errorf("tui: reading the lab panicked: %v\n%s", v, debug.Stack())
				p.Quit()
			}
		}()
		r := reader{source: opts.Source, store: st, every: lk.frame}
		r.run(ctx)
	})
	_, err = p.Run()
	outer := context.Cause(ctx)
	cancel()
	wg.Wait()
	switch {
	case panicked != nil:
		return panicked
	case outer != nil:
		return outer
	case err != nil && !errors.Is(err, tea.ErrProgramKilled):
		return fmt.Errorf("terminal: %w", err)
	case err != nil:
		return err
	}
	if opts.Passing {
		return nil
	}
	return m.farewell()
}

// farewell says that the lab runs on, for those who think that they ended it.
func (m *model) farewell() error {
	lab := m.lab.status.Lab
	flag := ""
	if lab != "" && lab != "default" {
		flag = " --lab " + lab
	}
	s := fmt.Sprintf("lab %s runs on.  watch: raftlab tui%s   stop: raftlab down%s\n", lab, flag, flag)
	switch {
	case m.lab.conn.ended:
		s = fmt.Sprintf("lab %s was stopped.  again: raftlab up\n", lab)
	case !m.lab.conn.up:
		s = fmt.Sprintf("lab %s does not answer.  look: raftlab doctor\n", lab)
	}
	_, err := fmt.Fprint(m.opts.Output, s)
	return err
}

// look settles how to draw from the options, the environment and the terminal.
func (o *Options) look() (look, error) {
	get := func(name string) string { v, _ := o.Env(name); return v }
	lk := look{w: 80, h: 24, color: o.Color, ascii: o.ASCII, motion: o.Motion}
	if f, ok := o.Output.(*os.File); ok {
		if !term.IsTerminal(int(f.Fd())) {
			return lk, noTerminal("the live view needs a terminal, and standard output is none")
		}
		// bubbletea draws before it knows the size; ask first.
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			lk.w, lk.h = w, h
		}
	}
	if get("TERM") == "dumb" {
		return lk, noTerminal("the live view cannot draw on a dumb terminal (TERM=dumb)")
	}
	if lk.color == ColorAuto {
		lk.color = colorOf(get)
	}
	if !utf8Locale(get) {
		lk.ascii = true
	}
	fps := o.FPS
	if fps <= 0 {
		fps = 15
		if get("SSH_CONNECTION") != "" || get("SSH_TTY") != "" {
			fps = 5
		}
	}
	if o.Motion == MotionLess {
		fps = min(fps, 5)
	}
	lk.frame = time.Second / time.Duration(clamp(fps, 1, 60))
	return lk, nil
}

func noTerminal(fact string) error {
	return netlab.Errorf(netlab.ExitFailed, "%s", fact).WithHint("raftlab status --watch")
}

// colorOf tells from the environment how many colours there are. Inside of tmux
// and screen 256 are enough: the hues are of that table, and truecolor may not
// get through.
func colorOf(get func(string) string) Color {
	t := get("TERM")
	switch {
	case get("NO_COLOR") != "":
		return ColorNone
	case strings.HasPrefix(t, "tmux"), strings.HasPrefix(t, "screen"):
		return Color256
	case get("COLORTERM") == "truecolor", get("COLORTERM") == "24bit":
		return ColorTrue
	case strings.Contains(t, "256color"):
		return Color256
	case t == "" || strings.HasPrefix(t, "vt"):
		return ColorNone
	}
	return Color16
}

func utf8Locale(get func(string) string) bool {
	for _, name := range [...]string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(get(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
