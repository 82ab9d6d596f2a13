package apitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type logKey struct{ namespace, pod, container string }

// Log sets what a container has logged. A line is of the time that it has as ts; one without is always said just now.
func (s *Server) Log(namespace, pod, container, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs[logKey{namespace, pod, container}] = text
}

// Exec runs a command in a container for a test: what it writes, and the error that it ends with.
type Exec func(pod, container string, command []string) (stdout, stderr string, err error)

// OnExec sets what runs commands in pods. Without it every exec is refused as forbidden.
func (s *Server) OnExec(run Exec) {
	if run == nil {
		s.OnExecWithInput(nil)
		return
	}
	s.OnExecWithInput(func(pod, container string, command []string, _ string) (stdout, stderr string, err error) {
		return run(pod, container, command)
	})
}

// ExecWithInput is Exec for a test that looks at what the command gets over stdin.
type ExecWithInput func(pod, container string, command []string, stdin string) (stdout, stderr string, err error)

// OnExecWithInput is OnExec for a test that looks at what commands get over stdin.
func (s *Server) OnExecWithInput(run ExecWithInput) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exec = run
}

// ExitError is the end of a command with an exit code; other errors of commands end with 1.
type ExitError int

func (e ExitError) Error() string { return fmt.Sprintf("command terminated with exit code %d", int(e)) }

func (s *Server) serveSubresource(w http.ResponseWriter, r *http.Request, t target) {
	switch {
	case t.Resource == "pods" && t.Subresource == "log":
		s.serveLog(w, t)
	case t.Resource == "pods" && t.Subresource == "exec":
		s.serveExec(w, r, t)
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

func (s *Server) serveLog(w http.ResponseWriter, t target) {
	pod := Get[corev1.Pod](s, t.Namespace, t.Name)
	container := t.Query.Get("container")
	var err error
	switch {
	case pod == nil:
		err = apierrors.NewNotFound(t.res.groupResource(), t.Name)
	case !hasContainer(pod, container):
		err = apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", container, t.Name))
	}
	if err != nil {
		code, answer, _ := refusal(err)
		write(w, code, answer)
		return
	}
	s.mu.Lock()
	text := s.logs[logKey{t.Namespace, t.Name, container}]
	s.mu.Unlock()
	if seconds, err := strconv.Atoi(t.Query.Get("sinceSeconds")); err == nil {
		text = linesSince(text, time.Now().Add(-time.Duration(seconds)*time.Second))
	}
	if limit, err := strconv.Atoi(t.Query.Get("limitBytes")); err == nil && limit < len(text) {
		text = text[:limit]
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, text) // the client may have gone
}

// linesSince leaves out what was logged before a moment, as the kubelet does.
func linesSince(text string, since time.Time) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		var said struct {
			At *time.Time `json:"ts"`
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.At != nil && said.At.Before(since) {
			continue
		}
		kept.WriteString(line)
	}
	return kept.String()
}

func hasContainer(pod *corev1.Pod, name string) bool {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range containers {
			if c.Name == name {
				return true
			}
		}
	}
	return name == ""
}

// The channels of remote commands over WebSocket.
const (
	channelStdin  = 0
	channelStdout = 1
	channelStderr = 2
	channelError  = 3
	channelClose  = 255 // names the channel that the client has closed
)

func (s *Server) serveExec(w http.ResponseWriter, r *http.Request, t target) {
	s.mu.Lock()
	run := s.exec
	s.mu.Unlock()
	if run == nil {
		code, answer, _ := refusal(apierrors.NewForbidden(t.res.groupResource(), t.Name, fmt.Errorf(`cannot create resource "pods/exec"`)))
		write(w, code, answer)
		return
	}
	if Get[corev1.Pod](s, t.Namespace, t.Name) == nil {
		code, answer, _ := refusal(apierrors.NewNotFound(t.res.groupResource(), t.Name))
		write(w, code, answer)
		return
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io", "v4.channel.k8s.io"}}
	connection, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = connection.Close() }()
	stdin := ""
	if t.Query.Get("stdin") == "true" {
		if stdin, err = readStdin(connection); err != nil {
			return // the client has gone
		}
	}
	stdout, stderr, err := run(t.Name, t.Query.Get("container"), t.Query["command"], stdin)
	status := metav1.Status{Status: metav1.StatusSuccess}
	if err != nil {
		code := ExitError(1)
		_ = errors.As(err, &code)
		status = metav1.Status{
			Status: metav1.StatusFailure, Reason: "NonZeroExitCode", Message: err.Error(), Code: http.StatusInternalServerError,
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: "ExitCode", Message: strconv.Itoa(int(code))}}},
		}
	}
	last, err := json.Marshal(status)
	must(err)
	for channel, data := range map[byte]string{channelStdout: stdout, channelStderr: stderr} {
		if data != "" && connection.WriteMessage(websocket.BinaryMessage, append([]byte{channel}, data...)) != nil {
			return
		}
	}
	if connection.WriteMessage(websocket.BinaryMessage, append([]byte{channelError}, last...)) != nil {
		return
	}
	_ = connection.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")) // the client may have gone
}

// readStdin reads what a client sends to a command until it closes that channel.
func readStdin(connection *websocket.Conn) (string, error) {
	var text []byte
	for {
		_, message, err := connection.ReadMessage()
		switch {
		case err != nil:
			return "", err
		case len(message) == 2 && message[0] == channelClose && message[1] == channelStdin:
			return string(text), nil
		case len(message) > 0 && message[0] == channelStdin:
			text = append(text, message[1:]...)
		}
	}
}
