package wire

import "github.com/raftlab/raftlab/raft"

// The bodies of clients' frames, after the header, whose ID is the request's.
// A reply's From and Term are Node and Term.
//
//	request  op read session seq acked since key value old
//	reply    code index found value leader leaderAddr error
const (
	requestElements = 9
	replyElements   = 7
)

// AppendRequest appends the frame of r, its length bytes included, to dst.
// Keys and values within the state machine's limits fit a frame many times over.
func AppendRequest(dst []byte, r *Request) []byte {
	start := len(dst)
	dst = beginFrame(dst, Header{Kind: KindRequest, ID: r.ID}, requestElements)
	dst = appendUint(dst, uint64(r.Op))
	dst = appendUint(dst, uint64(r.Read))
	dst = appendUint(dst, r.Session)
	dst = appendUint(dst, r.Seq)
	dst = appendUint(dst, r.Acked)
	dst = appendUint(dst, uint64(r.Since))
	dst = appendBytes(dst, r.Key)
	dst = appendBytes(dst, r.Value)
	dst = appendBytes(dst, r.Old)
	return endFrame(dst, start)
}

// DecodeRequest reads a request into r. Key, Value and Old are memory of frame.
// It says nothing about whether the request makes sense.
func DecodeRequest(frame []byte, r *Request) error {
	c := cursor{b: frame}
	h := c.header()
	c.expect(h, KindRequest)
	c.body(requestElements)
	*r = Request{
		ID:      h.ID,
		Op:      Op(c.uint8("op")),
		Read:    Read(c.uint8("read")),
		Session: c.uint("session"),
		Seq:     c.uint("seq"),
		Acked:   c.uint("acked"),
		Since:   raft.Index(c.uint("since")),
		Key:     c.bytes("key"),
		Value:   c.bytes("value"),
		Old:     c.bytes("old"),
	}
	c.end()
	if c.failed {
		*r = Request{}
		return c.err()
	}
	return nil
}

// AppendReply appends the frame of r, its length bytes included, to dst.
func AppendReply(dst []byte, r *Reply) []byte {
	start := len(dst)
	dst = beginFrame(dst, Header{Kind: KindReply, From: r.Node, ID: r.ID, Term: r.Term}, replyElements)
	dst = appendUint(dst, uint64(r.Code))
	dst = appendUint(dst, uint64(r.Index))
	dst = appendBool(dst, r.Found)
	dst = appendBytes(dst, r.Value)
	dst = appendUint(dst, uint64(r.Leader))
	dst = appendString(dst, r.LeaderAddr)
	dst = appendString(dst, r.Error)
	return endFrame(dst, start)
}

// DecodeReply reads a reply into r. Value is memory of frame.
func DecodeReply(frame []byte, r *Reply) error {
	c := cursor{b: frame}
	h := c.header()
	c.expect(h, KindReply)
	c.body(replyElements)
	*r = Reply{
		ID:         h.ID,
		Node:       h.From,
		Term:       h.Term,
		Code:       Code(c.uint8("code")),
		Index:      raft.Index(c.uint("index")),
		Found:      c.bool("found"),
		Value:      c.bytes("value"),
		Leader:     raft.NodeID(c.uint("leader")),
		LeaderAddr: c.string("leaderAddr"),
		Error:      c.string("error"),
	}
	c.end()
	if c.failed {
		*r = Reply{}
		return c.err()
	}
	return nil
}
