package netlab

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	bodyMax       = 8 << 20 // a value of 1 MiB, each byte escaped
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	// drainTimeout is how long requests in progress may take to end when the lab
	// stops; their context has ended by then. Clients hold connections ready that
	// they never used, and the server waits for those, too.
	drainTimeout = 250 * time.Millisecond

	eventsLimit = 10_000 // of one answer
)

// api is the control API: HTTP and JSON on a unix socket, and with
// Config.Listen on TCP, there with a token.
type api struct {
	lab    *lab
	server *http.Server
	access Access

	mu sync.Mutex
	// held are connections of those who wait for the lab's process to end. Nobody
	// closes them: its end does.
	held []net.Conn
}

// Access is how the control API is reached over TCP. Both are empty when the
// lab does not listen there.
type Access struct {
	Addr  string `json:"addr"`
	Token string `json:"token"` // in the header "Authorization: Bearer …"
}

// fromSocket marks requests that came by the unix socket: whoever can open it
// needs no token.
type fromSocket struct{}

func newAPI(l *lab) *api {
	a := &api{lab: l}
	a.server = &http.Server{
		Handler: a.routes(), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return l.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, fromSocket{}, c.LocalAddr().Network() == "unix")
		},
		ErrorLog: newErrorLog(l.log),
	}
	return a
}

// listen opens the control socket, and the TCP port when the lab has one.
func (a *api) listen(socket string) ([]net.Listener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the socket of a lab that is gone: %w", err)
	}
	unix, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	// Its directory lets nobody else in while this is not done yet.
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open the control socket: %w", err), unix.Close())
	}
	addr := a.lab.config.Listen
	if addr == "" {
		return []net.Listener{unix}, nil
	}
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		unix.Close()
		e := Errorf(ExitFailed, "listen on %s: %v", addr, err)
		if IsInUse(err) {
			host, _, _ := net.SplitHostPort(addr) // checked by Validate
			e = Errorf(ExitConflict, "listen on %s: another program has this port", addr).
				WithHint("raftlab up --listen %s takes any free one", net.JoinHostPort(host, "0"))
		}
		return nil, e
	}
	token := make([]byte, 16)
	rand.Read(token)
	a.access = Access{Addr: tcp.Addr().String(), Token: hex.EncodeToString(token)}
	return []net.Listener{unix, tcp}, nil
}

// serve answers requests until close.
func (a *api) serve(ln net.Listener) error {
	if err := a.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control API on %s: %w", ln.Addr(), err)
	}
	return nil
}

// close ends all requests; those in progress have had their context ended.
func (a *api) close() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		// Who still does not listen is cut off.
		_ = a.server.Close()
	}
}

// routes are the whole API.
func (a *api) routes() http.Handler {
	l := a.lab
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{l})
	mux := http.NewServeMux()
	handle := func(method, path string, h http.HandlerFunc) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != method {
				w.Header().Set("Allow", method)
				writeErrorStatus(w, http.StatusMethodNotAllowed, Errorf(ExitUsage, "%s takes %s, not %s", path, method, printable(r.Method, 16)))
				return
			}
			h(w, r)
		})
	}
	handle("GET", "/v1/status", answer(l, func(*query) (any, error) { return l.status(), nil }))
	handle("GET", "/v1/config", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, l.config) })
	handle("GET", "/v1/access", a.tellAccess)
	handle("GET", "/v1/stream", a.stream)
	handle("GET", "/v1/events", a.events)
	handle("GET", "/v1/check", answer(l, func(*query) (any, error) { return l.checkReport(), nil }))
	handle("GET", "/v1/faults", answer(l, func(*query) (any, error) { return l.faultPage(), nil }))
	handle("GET", "/v1/frames", answer(l, func(q *query) (any, error) {
		want := FrameQuery{
			From: q.list("from"), To: q.list("to"), Kinds: q.list("kind"), Held: q.flag("held"),
			Follow: q.text("after") != "", After: q.number("after"), Limit: int(min(q.number("limit"), framesKept)),
		}
		if q.err != nil {
			return nil, q.err
		}
		return l.framesPage(&want)
	}))
	handle("GET", "/v1/log", answer(l, func(q *query) (any, error) {
		return l.readLog(q.r.Context(), q.text("node"), q.number("from"), q.number("to"))
	}))
	handle("GET", "/v1/dump", answer(l, func(q *query) (any, error) { return l.dump(q.r.Context(), q.text("node")) }))
	handle("POST", "/v1/op", act(l, func(ctx context.Context, op *Op) (any, error) { return l.do(ctx, op) }))
	handle("POST", "/v1/kv", act(l, func(ctx context.Context, op *KVOp) (any, error) { return l.kv(ctx, op) }))
	handle("POST", "/v1/wait", act(l, func(ctx context.Context, w *Wait) (any, error) { return l.wait(ctx, w) }))
	handle("POST", "/v1/down", a.down)
	handle("GET", "/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeErrorStatus(w, http.StatusNotFound, Errorf(ExitUsage, "there is nothing at %s", quote(r.URL.Path)).
			WithHint("GET /v1/status /v1/check /v1/config /v1/faults /v1/frames /v1/events /v1/log /v1/dump /v1/stream /metrics, POST /v1/op /v1/kv /v1/wait /v1/down"))
	})
	return a.guard(mux)
}

// guard lets requests over TCP in with the token only, and bounds all bodies.
func (a *api) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if local, _ := r.Context().Value(fromSocket{}).(bool); !local {
			token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(a.access.Token)) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				writeErrorStatus(w, http.StatusUnauthorized, Errorf(ExitUsage, "this lab wants its token").
					WithHint(`send the header "Authorization: Bearer TOKEN"; "raftlab up" printed it`))
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
		next.ServeHTTP(w, r)
	})
}

func (a *api) tellAccess(w http.ResponseWriter, _ *http.Request) { writeJSON(w, a.access) }

// down answers, lets the lab end, and leaves the connection open until the
// process is gone: its end is what tells the client so.
func (a *api) down(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		KeepData bool `json:"keep_data"`
	}
	if err := readJSON(r, &ask); err != nil {
		writeError(w, err)
		return
	}
	if l := a.lab; ask.KeepData && l.config.Sim != "" {
		writeError(w, Errorf(ExitConflict, "lab %q is simulated: what its nodes stored is in its process, and ends with it", l.name).WithHint("raftlab down ends it"))
		return
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		writeError(w, toError("down", err))
		return
	}
	a.mu.Lock()
	a.held = append(a.held, conn)
	a.mu.Unlock()
	// The client may be gone: the lab goes down all the same.
	_, _ = buf.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}\n")
	_ = buf.Flush()
	_ = conn.SetDeadline(time.Time{})
	a.lab.end(errDown{keep: ask.KeepData})
}

func (a *api) events(w http.ResponseWriter, r *http.Request) {
	answer(a.lab, func(q *query) (any, error) {
		after, since, limit := q.number("after"), q.number("since_ns"), q.number("limit")
		if q.err != nil {
			return nil, q.err
		}
		return a.lab.eventPage(after, int64(since), limit), nil
	})(w, r)
}

// eventPage answers a question for events: as many as one answer takes.
type eventPage struct {
	Events []Event `json:"events"`
	Last   uint64  `json:"last"`           // the ID up to which events were looked at
	More   bool    `json:"more,omitempty"` // ask again, after Last
	Gone   uint64  `json:"gone,omitempty"` // older ones that are not kept any more
}

// eventPage returns the events after an ID and at or after a lab time, of
// these the newest limit, 0 being all.
func (l *lab) eventPage(after uint64, since int64, limit uint64) eventPage {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since > 0 {
		after = max(after, l.events.since(since))
	}
	if limit > 0 && l.events.last > limit {
		after = max(after, l.events.last-limit)
	}
	list, gone := l.events.after(after, eventsLimit)
	page := eventPage{Events: []Event{}, Gone: gone}
	for _, e := range list {
		page.Last = e.ID
		if e.LabNS >= since {
			page.Events = append(page.Events, e)
		}
	}
	page.More = len(list) > 0 && page.Last < l.events.last
	return page
}

// stream writes updates as lines of JSON.
func (a *api) stream(w http.ResponseWriter, r *http.Request) {
	q := &query{r: r}
	frames, every := q.flag("frames"), q.number("every_ms")
	if q.err != nil {
		writeError(w, q.err)
		return
	}
	// A reader may be slow, or stopped for an hour: it costs nothing but its
	// connection.
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetWriteDeadline(time.Time{}), control.SetReadDeadline(time.Time{})); err != nil {
		writeError(w, toError("stream", err))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	// It ends with the reader or the lab, and neither is told why.
	_ = a.lab.stream(r.Context(), frames, time.Duration(min(every, 1<<20))*time.Millisecond, func(u *Update) error {
		if err := enc.Encode(u); err != nil {
			return err
		}
		return control.Flush()
	})
}

// query reads the parameters of a GET; the first error stays.
type query struct {
	r   *http.Request
	err error
}

func (q *query) text(name string) string { return q.r.URL.Query().Get(name) }

// list are all values of a parameter that may be given more than once.
func (q *query) list(name string) []string { return q.r.URL.Query()[name] }

// flag is a parameter that is 1 or true, 0 or false; false when it is left out.
func (q *query) flag(name string) bool {
	text := q.text(name)
	if text == "" {
		return false
	}
	on, err := strconv.ParseBool(text)
	if err != nil && q.err == nil {
		q.err = Errorf(ExitUsage, "%s is %s, 1 or 0 is wanted", name, quote(text))
	}
	return on
}

func (q *query) number(name string) uint64 {
	text := q.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil && q.err == nil {
		q.err = Errorf(ExitUsage, "%s is %s, a number from 0 on is wanted", name, quote(text))
	}
	return n
}

// answer makes a handler of a function that reads a query, which is done as a task
// of the lab.
func answer(l *lab, f func(*query) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := &query{r: r}
		var out any
		var err error
		if stopped := l.request(r.Context(), func() { out, err = f(q) }); stopped != nil {
			err = stopped
		}
		if q.err != nil {
			err = q.err
		}
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, out)
	}
}

// act makes a handler of a function that takes a body. It may take as long as
// its caller waits.
func act[T any](l *lab, f func(context.Context, *T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in := new(T)
		if err := readJSON(r, in); err != nil {
			writeError(w, err)
			return
		}
		control := http.NewResponseController(w)
		if err := errors.Join(control.SetWriteDeadline(time.Time{}), control.SetReadDeadline(time.Time{})); err != nil {
			writeError(w, toError("answer", err))
			return
		}
		var out any
		var err error
		if stopped := l.request(r.Context(), func() { out, err = f(r.Context(), in) }); stopped != nil {
			err = stopped
		}
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, out)
	}
}

func readJSON(r *http.Request, into any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil && dec.More() {
		err = errors.New("more follows it")
	}
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		return Errorf(ExitUsage, "the request is too large: %s takes %d bytes at most", r.URL.Path, large.Limit)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return Errorf(ExitUsage, "the request is not the JSON that %s takes: %v", r.URL.Path, err)
	}
	return nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// Who asked and did not wait has no use for the error.
	_ = json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, err error) {
	e := toError("the lab", err)
	status := map[int]int{
		ExitUsage: http.StatusBadRequest, ExitNoLab: http.StatusServiceUnavailable,
		ExitConflict: http.StatusConflict, ExitTimeout: http.StatusGatewayTimeout,
	}[e.Code]
	if status == 0 {
		status = http.StatusInternalServerError
	}
	writeErrorStatus(w, status, e)
}

func writeErrorStatus(w http.ResponseWriter, status int, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(e) // as in writeJSON
}
