package netlab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"time"
	"unicode/utf8"
)

// Client speaks to a lab over its control socket. Its methods may be called
// from any goroutine. Every error is an *Error; one of code ExitNoLab says that
// the lab is not there, or no longer.
type Client struct {
	name string
	home string
	dir  dir
	http *http.Client
}

// Connect returns a client of the lab of this name, which must be running. It
// asks the lab nothing.
func Connect(home, name string) (*Client, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	d := dir(filepath.Join(home, name))
	m, err := d.readMeta()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noLab(home, name, fmt.Sprintf("there is no lab %q", name))
	}
	if isNotDir(home) {
		return nil, homeError(home, err)
	}
	if err != nil {
		return nil, Errorf(ExitFailed, "lab %q: %v", name, err).WithHint("raftlab up --lab %s --replace makes it anew", name)
	}
	if !m.answers() {
		return nil, noLab(home, name, fmt.Sprintf("lab %q is not running: %s", name, m.ended()))
	}
	return newClient(home, name, m.Socket), nil
}

func newClient(home, name, socket string) *Client {
	dialer := net.Dialer{Timeout: dialTimeout}
	return &Client{name: name, home: home, dir: dir(filepath.Join(home, name)), http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: 8,
	}}}
}

// noLab says that a lab is not there, and what there is.
func noLab(home, name, fact string) *Error {
	e := Errorf(ExitNoLab, "%s", fact)
	up := "raftlab up"
	if name != DefaultName {
		up += " --lab " + name
	}
	others := ""
	if labs, err := List(home); err == nil { // the hint is as good as it can be
		for _, l := range labs {
			if l.Running && l.Name != name {
				others += " " + l.Name
			}
		}
	}
	if others == "" {
		return e.WithHint(`"%s" starts it`, up)
	}
	return e.WithHint(`"%s" starts it; running:%s`, up, others)
}

// Name is the lab's.
func (c *Client) Name() string { return c.name }

// Dir is the lab's directory.
func (c *Client) Dir() string { return string(c.dir) }

// Status returns the picture of everything.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[Status](ctx, c, "/v1/status", nil)
}

// Check returns what the lab's watchers of Raft's promises have seen.
func (c *Client) Check(ctx context.Context) (*CheckReport, error) {
	return get[CheckReport](ctx, c, "/v1/check", nil)
}

// Config returns what the lab was made with.
func (c *Client) Config(ctx context.Context) (Config, error) {
	conf, err := get[Config](ctx, c, "/v1/config", nil)
	if err != nil {
		return Config{}, err
	}
	return *conf, nil
}

// Access tells how the control API is reached over TCP.
func (c *Client) Access(ctx context.Context) (*Access, error) {
	return get[Access](ctx, c, "/v1/access", nil)
}

// Do carries out an operation.
func (c *Client) Do(ctx context.Context, op Op) (*OpResult, error) {
	return post[OpResult](ctx, c, "/v1/op", op)
}

// KV carries out a client's operation through the lab's gateway.
func (c *Client) KV(ctx context.Context, op KVOp) (*KVResult, error) {
	// JSON would turn them into others, and two keys into one, without a word.
	for _, text := range []struct{ what, value string }{{"key", op.Key}, {"value", op.Value}, {"old value", op.Old}} {
		if !utf8.ValidString(text.value) {
			return nil, Errorf(ExitUsage, "%s: the %s %s is not UTF-8", op.Op, text.what, quote(text.value)).
				WithHint("keys and values are text here; write other bytes as hexadecimal or base64")
		}
	}
	return post[KVResult](ctx, c, "/v1/kv", op)
}

// Wait waits as w says. That the condition does not hold is no error.
func (c *Client) Wait(ctx context.Context, w Wait) (*WaitResult, error) {
	return post[WaitResult](ctx, c, "/v1/wait", w)
}

// Events returns the events q picks, oldest first. Those that are not kept any
// more are left out; IDs tell how many.
func (c *Client) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	var out []Event
	for limit := q.Limit; ; limit = 0 { // the pages after the first go on to the end
		page, err := get[eventPage](ctx, c, "/v1/events", url.Values{
			"after":    {strconv.FormatUint(q.After, 10)},
			"since_ns": {strconv.FormatInt(max(q.SinceNS, 0), 10)},
			"limit":    {strconv.Itoa(max(limit, 0))},
		})
		if err != nil {
			return nil, err
		}
		out = append(out, page.Events...)
		if !page.More {
			if q.Limit > 0 && len(out) > q.Limit {
				out = out[len(out)-q.Limit:]
			}
			return out, nil
		}
		q.After = page.Last
	}
}

// Frames returns the frames q picks, oldest first.
func (c *Client) Frames(ctx context.Context, q FrameQuery) (*FramePage, error) {
	values := url.Values{"from": q.From, "to": q.To, "kind": q.Kinds, "limit": {strconv.Itoa(max(q.Limit, 0))}}
	if q.Held {
		values.Set("held", "1")
	}
	if q.Follow {
		values.Set("after", strconv.FormatUint(q.After, 10))
	}
	return get[FramePage](ctx, c, "/v1/frames", values)
}

// Log returns the entries from..to of a node's log; to 0 is the last. Of a
// node that does not run, its disk is read.
func (c *Client) Log(ctx context.Context, node string, from, to uint64) (*Log, error) {
	return get[Log](ctx, c, "/v1/log", url.Values{
		"node": {node}, "from": {strconv.FormatUint(from, 10)}, "to": {strconv.FormatUint(to, 10)},
	})
}

// Dump returns the state machine of a running node, the leader's with node "".
func (c *Client) Dump(ctx context.Context, node string) (*Dump, error) {
	return get[Dump](ctx, c, "/v1/dump", url.Values{"node": {node}})
}

// Stream calls f with the whole status, and then with what changes, until f or
// ctx ends it or the lab does. A slow f is not sent a backlog: it is told what
// is different by then.
func (c *Client) Stream(ctx context.Context, o StreamOptions, f func(Update) error) error {
	q := url.Values{}
	if o.Frames {
		q.Set("frames", "1")
	}
	if o.EveryMS > 0 {
		q.Set("every_ms", strconv.Itoa(o.EveryMS))
	}
	body, err := c.do(ctx, http.MethodGet, "/v1/stream", q, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	dec := json.NewDecoder(body)
	for {
		var u Update
		if err := dec.Decode(&u); err != nil {
			return c.lost(ctx, "/v1/stream", err)
		}
		if err := f(u); err != nil {
			return err
		}
	}
}

// Down stops the lab and returns when its process is gone. Its data is removed
// unless keepData. A lab that is stopped already is no error.
func (c *Client) Down(ctx context.Context, keepData bool) error {
	guard, err := lockStart(ctx, c.dir)
	if err != nil {
		return err
	}
	defer unlockStart(guard)
	return c.down(ctx, keepData)
}

// down does it for who holds the start lock.
func (c *Client) down(ctx context.Context, keepData bool) error {
	bounded, cancel := context.WithTimeout(ctx, downWait)
	defer cancel()
	body, err := c.do(bounded, http.MethodPost, "/v1/down", nil, map[string]bool{"keep_data": keepData})
	if err == nil {
		// It ends when the process does, one way or another.
		_, err = io.Copy(io.Discard, body)
		body.Close()
		if bounded.Err() == nil {
			err = nil
		} else {
			err = c.lost(bounded, "/v1/down", err)
		}
	}
	var e *Error
	switch {
	case err == nil, errors.As(err, &e) && e.Code == ExitNoLab:
	case ctx.Err() == nil && errors.As(err, &e) && e.Code == ExitTimeout:
		// It hangs, or somebody stopped it: what it does not do itself is done to it.
		if err := c.dir.endProcess(ctx); err != nil {
			return err
		}
	default:
		return err
	}
	if keepData {
		// A process that died while it was asked has not said so itself.
		return c.dir.keepDead(ctx)
	}
	// What the process could not remove while it ran (a running program, on
	// Windows), or did not come to.
	if err := c.dir.clean(); err != nil {
		return toError("remove "+string(c.dir), err)
	}
	return nil
}

// Close lets idle connections go.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

func get[T any](ctx context.Context, c *Client, path string, q url.Values) (*T, error) {
	return ask[T](ctx, c, http.MethodGet, path, q, nil)
}

func post[T any](ctx context.Context, c *Client, path string, in any) (*T, error) {
	return ask[T](ctx, c, http.MethodPost, path, nil, in)
}

func ask[T any](ctx context.Context, c *Client, method, path string, q url.Values, in any) (*T, error) {
	body, err := c.do(ctx, method, path, q, in)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	out := new(T)
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return nil, c.lost(ctx, path, err)
	}
	// To its end, so that the connection can be used again.
	if _, err := io.Copy(io.Discard, body); err != nil {
		return nil, c.lost(ctx, path, err)
	}
	return out, nil
}

// do asks and returns the body of a good answer.
func (c *Client) do(ctx context.Context, method, path string, q url.Values, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, toError("ask "+path, err)
		}
		body = bytes.NewReader(data)
	}
	u := url.URL{Scheme: "http", Host: "raftlab", Path: path, RawQuery: q.Encode()}
	ctx, release := c.watch(ctx)
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		release()
		return nil, toError("ask "+path, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		defer release()
		return nil, c.lost(ctx, path, err)
	}
	if resp.StatusCode == http.StatusOK {
		return &watchedBody{resp.Body, c, ctx, path, release}, nil
	}
	defer release()
	defer resp.Body.Close()
	e := new(Error)
	if err := json.NewDecoder(io.LimitReader(resp.Body, bodyMax)).Decode(e); err != nil || e.Code == 0 {
		return nil, Errorf(ExitFailed, "lab %q answered %s with %s", c.name, path, resp.Status)
	}
	return nil, e
}

// lost says why a lab does not answer.
func (c *Client) lost(ctx context.Context, path string, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	if cause := context.Cause(ctx); cause != nil {
		var hangs *Error
		if errors.As(cause, &hangs) {
			return hangs
		}
		if errors.Is(cause, context.DeadlineExceeded) {
			return Errorf(ExitTimeout, "lab %q has not answered %s in time", c.name, path)
		}
		return Errorf(ExitFailed, "ask lab %q for %s: %v", c.name, path, cause)
	}
	stopped := false
	fact := fmt.Sprintf("lost lab %q: %v", c.name, errors.Unwrap(err))
	if errors.Unwrap(err) == nil {
		fact = fmt.Sprintf("lost lab %q: %v", c.name, err)
	}
	if m, err := c.dir.readMeta(); errors.Is(err, fs.ErrNotExist) {
		fact, stopped = fmt.Sprintf("lab %q was taken down", c.name), true
	} else if err == nil && m.Stopped && !m.Kept {
		fact, stopped = fmt.Sprintf("lab %q is being stopped", c.name), true
	} else if err == nil && !m.answers() {
		fact, stopped = fmt.Sprintf("lost lab %q: %s", c.name, m.ended()), m.Kept
	}
	lost := noLab(c.home, c.name, fact)
	lost.Stopped = stopped
	return lost
}

// lockWait bounds the wait for somebody else who starts or stops the same lab.
const lockWait = 30 * time.Second
