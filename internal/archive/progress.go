package archive

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// impatientClient gives up answers whose bodies do not go on. How long a body may take in all depends on its size and the line;
// a store that sends nothing for so long is out of order.
type impatientClient struct {
	aws.HTTPClient
	patience time.Duration
}

// Do sends a request.
func (c impatientClient) Do(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	resp, err := c.HTTPClient.Do(req.WithContext(ctx))
	if err != nil {
		cancel()
		return resp, err
	}
	body := &watchedBody{ReadCloser: resp.Body, patience: c.patience, cancel: cancel}
	body.watch = time.AfterFunc(c.patience, body.giveUp)
	body.watch.Stop()
	resp.Body = body
	return resp, nil
}

// watchedBody ends a read that takes too long by cancelling the request.
type watchedBody struct {
	io.ReadCloser
	patience time.Duration
	cancel   context.CancelFunc
	watch    *time.Timer // runs while a read does
	stalled  atomic.Bool
}

func (b *watchedBody) giveUp() {
	b.stalled.Store(true)
	b.cancel()
}

// Read waits for the next bytes.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.Reset(b.patience)
	n, err := b.ReadCloser.Read(p)
	b.watch.Stop()
	if err != nil && b.stalled.Load() {
		err = &stalledError{b.patience}
	}
	return n, err
}

// Close ends the request.
func (b *watchedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// stalledError is a body that did not go on. It is a net.Error.
type stalledError struct{ patience time.Duration }

func (e *stalledError) Error() string {
	return fmt.Sprintf("its answer stopped in the middle, with nothing for %s", e.patience)
}

// Timeout is true: asking again would take as long.
func (e *stalledError) Timeout() bool { return true }

// Temporary is what a net.Error has, too.
func (e *stalledError) Temporary() bool { return false }
