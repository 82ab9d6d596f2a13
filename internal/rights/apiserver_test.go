package rights

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// whileThere has a command run for as long as a file is there, and the process that made it.
const whileThere = `echo "$KUBE_CONFIG_PATH"; while [ -e "$0" ] && kill -0 "$1" 2>/dev/null; do sleep 0.2; done`

// apiServer runs an API server for as long as a test, and tells how its administrator reaches it.
func apiServer(t *testing.T) *rest.Config {
	t.Helper()
	running := filepath.Join(t.TempDir(), "running")
	must(t, os.WriteFile(running, nil, 0o600))
	platform := exec.Command("go", "run", "-C", "../../tools/platform", ".", "apiserver", "--",
		"sh", "-c", whileThere, running, strconv.Itoa(os.Getpid()))
	platform.Stderr = os.Stderr
	out, err := platform.StdoutPipe()
	must(t, err)
	must(t, platform.Start())
	t.Cleanup(func() {
		must(t, os.Remove(running))
		if err := platform.Wait(); err != nil {
			t.Errorf("the API server's end: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	config, err := clientcmd.BuildConfigFromFlags("", strings.TrimSpace(line))
	must(t, err)
	config.QPS, config.Burst = -1, -1
	return config
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
