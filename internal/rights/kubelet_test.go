package rights

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// node is the one of all pods.
const node = "node"

// newKubelet plays the kubelet of a node, as far as the API server asks it: for logs, and to run commands.
func newKubelet(t *testing.T, api kubernetes.Interface) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/containerLogs/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, logOf(r.URL.Path)) })
	mux.HandleFunc("/exec/", serveExec)
	kubelet := httptest.NewTLSServer(mux)
	t.Cleanup(kubelet.Close)
	host, port, err := net.SplitHostPort(kubelet.Listener.Addr().String())
	must(t, err)
	number, err := strconv.ParseInt(port, 10, 32)
	must(t, err)
	made, err := api.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, metav1.CreateOptions{})
	must(t, err)
	made.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: host}}
	made.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(number)
	_, err = api.CoreV1().Nodes().UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	must(t, err)
}

// lastCommit is when the last transaction was committed that a restore replays.
const lastCommit = "2026-03-26 12:58:01.5+00"

// recoveryLog is that of a recovery that has reached the archive's end.
const recoveryLog = `{"level":"info","msg":"record","record":{"error_severity":"LOG","message":"redo done at 0/11000060 system usage: CPU: user: 0.01 s, system: 0.01 s, elapsed: 0.10 s"}}
{"level":"info","msg":"record","record":{"error_severity":"LOG","message":"last completed transaction was at log time ` + lastCommit + `"}}
{"level":"info","msg":"record","record":{"error_severity":"LOG","message":"selected new timeline ID: 2"}}
`

func logOf(path string) string {
	if strings.HasSuffix(path, "/"+recoveryContainer) {
		return recoveryLog
	}
	return `{"level":"info","logger":"barman-cloud-backup","msg":"` + barmanSays + `"}` + "\n"
}

// barmanSays is why a base backup fails, where one does.
const barmanSays = "ERROR: Backup failed uploading data (no room in the bucket)"

// serveExec runs psql: over SPDY, as the API server asks kubelets.
func serveExec(w http.ResponseWriter, r *http.Request) {
	wanted := 1 // beside the stream of errors
	for _, name := range []string{"input", "output", "error"} {
		if r.URL.Query().Get(name) == "1" {
			wanted++
		}
	}
	w.Header().Set(httpstream.HeaderProtocolVersion, "v4.channel.k8s.io")
	opened := make(chan httpstream.Stream, wanted)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, replied <-chan struct{}) error {
		go func() { <-replied; opened <- stream }()
		return nil
	})
	if connection == nil {
		return // the upgrader has answered
	}
	defer func() { _ = connection.Close() }()
	streams := map[string]httpstream.Stream{}
	for len(streams) < wanted {
		select {
		case stream := <-opened:
			streams[stream.Headers().Get(corev1.StreamType)] = stream
		case <-connection.CloseChan():
			return
		}
	}
	stdin := ""
	if in := streams[corev1.StreamTypeStdin]; in != nil {
		read, err := io.ReadAll(in)
		if err != nil {
			return
		}
		stdin = string(read)
	}
	_, _ = io.WriteString(streams[corev1.StreamTypeStdout], answerTo(r.URL, stdin))
	status, err := json.Marshal(metav1.Status{Status: metav1.StatusSuccess})
	if err != nil {
		return
	}
	_, _ = streams[corev1.StreamTypeError].Write(status)
	for _, stream := range streams {
		_ = stream.Close()
	}
	<-connection.CloseChan()
}

// flushed is the WAL segment that ends when somebody ends one.
var flushed = s3test.Segment(1, 17)

// answerTo is what psql prints.
func answerTo(command *url.URL, stdin string) string {
	switch sql := strings.Join(command.Query()["command"], " ") + stdin; {
	case strings.Contains(sql, "pg_switch_wal"):
		return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") + "\nf\n" + flushed + "\n"
	case strings.Contains(sql, "count(*)"):
		return "42\n"
	}
	return "\n"
}
