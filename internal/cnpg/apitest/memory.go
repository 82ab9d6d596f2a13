package apitest

import (
	"context"
	"net"
	"sync"
)

// memory is a listener whose connections are pipes. What waits for one of them waits for nothing outside of the process, so that a
// server behind it can be used where testing/synctest plays the clock.
type memory struct {
	dialled chan net.Conn
	closed  chan struct{}
	close   sync.Once
}

func newMemory() *memory { return &memory{dialled: make(chan net.Conn), closed: make(chan struct{})} }

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case m.dialled <- server:
		return client, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept is for the server.
func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.dialled:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener.
func (m *memory) Close() error {
	m.close.Do(func() { close(m.closed) })
	return nil
}

// Addr is an address that nobody else can have.
func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }
