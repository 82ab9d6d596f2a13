package cnpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
)

// postgresContainer is the container of CNPG's instance pods that runs PostgreSQL.
const postgresContainer = "postgres"

// QueryPrimary runs SQL with psql in the pod of a Cluster's primary, as the superuser over the local socket, and returns
// what it prints in psql's unaligned form without headers. An error carries what psql wrote to stderr.
// It needs the right to create pods/exec.
func (c *Client) QueryPrimary(ctx context.Context, key Key, database, sql string) (string, error) {
	pod, err := c.primary(ctx, key)
	if err != nil {
		return "", err
	}
	command := []string{"psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql}
	stdout, stderr, err := c.exec(ctx, pod, postgresContainer, input{command: command})
	if err != nil {
		if text := strings.TrimSpace(stderr); text != "" {
			return "", fmt.Errorf("run SQL in pod %s: %s: %w", pod, text, err)
		}
		return "", fmt.Errorf("run SQL in pod %s: %w", pod, err)
	}
	return strings.TrimRight(stdout, "\n"), nil
}

// input is a command for a pod.
type input struct {
	command []string
	stdin   string
	limit   int // of what it writes to stdout, in bytes; 0 for none
}

// errTooLong says that a command has written more than it may.
var errTooLong = errors.New("the command writes too much")

// exec runs a command in a pod and returns what it writes; it ends with ctx at the latest.
func (c *Client) exec(ctx context.Context, pod Key, container string, in input) (stdout, stderr string, err error) {
	request := c.core.Post().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: container, Command: in.command, Stdin: in.stdin != "", Stdout: true, Stderr: true,
		}, c.params)
	url := request.URL().String()

	spdy, err := remotecommand.NewSPDYExecutor(c.config, "POST", request.URL())
	if err != nil {
		return "", "", err
	}
	webSocket, err := remotecommand.NewWebSocketExecutor(c.config, "GET", url)
	if err != nil {
		return "", "", err
	}
	// As kubectl does: WebSocket, and SPDY where the server or a proxy on the way cannot do it. An end of ctx looks like that
	// too, and does not end SPDY's negotiation.
	executor, err := remotecommand.NewFallbackExecutor(webSocket, spdy, func(err error) bool {
		return ctx.Err() == nil && (httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err))
	})
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out, complaints := &boundedBuffer{limit: in.limit, over: func() { cancel(errTooLong) }}, &boundedBuffer{limit: stderrLimit}
	streams := remotecommand.StreamOptions{Stdout: out, Stderr: complaints}
	if in.stdin != "" {
		streams.Stdin = strings.NewReader(in.stdin)
	}
	done := make(chan error, 1)
	go func() { done <- executor.StreamWithContext(ctx, streams) }()
	select {
	case err := <-done:
		if cause := context.Cause(ctx); cause != nil {
			return "", "", cause
		}
		// Of a refused upgrade of the connection, client-go hands on the API server's message alone.
		if err != nil && strings.Contains(err.Error(), " is forbidden: ") {
			err = &execError{err}
		}
		return out.text.String(), complaints.text.String(), err
	case <-ctx.Done(): // SPDY's negotiation does not look at it
		return "", "", context.Cause(ctx)
	}
}

// execError is that the API server lets nobody run a command in a pod for want of a right.
type execError struct{ err error }

func (e *execError) Error() string { return fmt.Sprintf("%v: %v", ErrForbidden, e.err) }

// Unwrap gives what it is, and how client-go has put it.
func (e *execError) Unwrap() []error { return []error{ErrForbidden, e.err} }

// words are the API server's own.
func (e *execError) words() string {
	return strings.TrimPrefix(e.err.Error(), "unable to upgrade connection: ")
}

// stderrLimit is how much of what a command complains about is kept.
const stderrLimit = 16 << 10

// boundedBuffer keeps what is written to it, up to its limit, and tells where there was more.
type boundedBuffer struct {
	text  bytes.Buffer
	limit int // 0 for none
	over  func()
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	keep := p
	if room := b.limit - b.text.Len(); b.limit > 0 && len(p) > room {
		keep = p[:room]
		if b.over != nil {
			b.over()
		}
	}
	b.text.Write(keep)
	return len(p), nil
}
