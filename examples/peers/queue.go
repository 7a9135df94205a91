package main

import "time"

// letter is a message under way.
type letter[M any] struct {
	at time.Duration
	m  M
}

// queue holds letters in the order of their arrival, which is that of their
// departure: every one flies for as long as any other.
type queue[M any] struct {
	ring    []letter[M] // its length is a power of two
	head, n int
}

func (q *queue[M]) first() *letter[M] { return &q.ring[q.head] }

func (q *queue[M]) add(at time.Duration, m M) {
	if q.n == len(q.ring) {
		bigger := make([]letter[M], max(64, 2*len(q.ring)))
		k := copy(bigger, q.ring[q.head:])
		copy(bigger[k:], q.ring[:q.head])
		q.ring, q.head = bigger, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = letter[M]{at, m}
	q.n++
}

func (q *queue[M]) take() M {
	l := q.ring[q.head]
	q.ring[q.head] = letter[M]{} // what it carried may go
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return l.m
}
