package apitest

import (
	"encoding/json"
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
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exec = run
}

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
	channelStdout = 1
	channelStderr = 2
	channelError  = 3
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
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io", "v4.channel.k8s.io"}}
	connection, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = connection.Close() }()
	stdout, stderr, err := run(t.Name, t.Query.Get("container"), t.Query["command"])
	status := metav1.Status{Status: metav1.StatusSuccess}
	if err != nil {
		status = metav1.Status{
			Status: metav1.StatusFailure, Reason: "NonZeroExitCode", Message: err.Error(), Code: http.StatusInternalServerError,
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: "ExitCode", Message: "1"}}},
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
