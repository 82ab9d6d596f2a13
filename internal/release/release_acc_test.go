package release

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const (
	root     = "../.."
	program  = "terraform-provider-pgplatform"
	manifest = "terraform-registry-manifest.json"
)

// What a release of this commit would publish is what a registry takes, and what Terraform and OpenTofu install and run.
func TestAccRelease(t *testing.T) {
	if os.Getenv("TF_ACC") == "" {
		t.Skip("an acceptance test: make testacc runs it")
	}
	t.Parallel()
	s := newSnapshot(t)
	t.Run("files", func(t *testing.T) {
		t.Parallel()
		s.hasTheFiles(t)
	})
	t.Run("program", func(t *testing.T) {
		t.Parallel()
		s.knowsItsVersion(t)
	})
	for _, cli := range clis(t) {
		t.Run(filepath.Base(cli), func(t *testing.T) {
			t.Parallel()
			s.installs(t, cli)
		})
	}
}

// hasTheFiles: a registry takes them, and who downloads one can tell whose it is.
func (s snapshot) hasTheFiles(t *testing.T) {
	t.Helper()
	sums := s.checksums(t)
	for _, name := range []string{s.zipName(), s.manifestName()} {
		if want, got := sha256Of(t, s.path(name)), sums[name]; got != want {
			t.Errorf("the checksum of %s is %q in %s, and %q of the file", name, got, s.sumsName(), want)
		}
	}
	if len(sums) != 2 {
		t.Errorf("checksums are of %v, want those of one program and of the manifest", sums)
	}
	if !bytes.Equal(read(t, s.path(s.manifestName())), read(t, filepath.Join(root, manifest))) {
		t.Error("the manifest is not that of the repository")
	}
	var protocols struct {
		Version  int
		Metadata struct {
			Versions []string `json:"protocol_versions"`
		}
	}
	must(t, json.Unmarshal(read(t, s.path(s.manifestName())), &protocols))
	if protocols.Version != 1 || fmt.Sprint(protocols.Metadata.Versions) != "[6.0]" {
		t.Errorf("the manifest says %+v", protocols)
	}

	if err := s.verify(t, s.sumsName()); err != nil {
		t.Error(err)
	}
	other := filepath.Join(s.dist, "other")
	must(t, os.WriteFile(other, append(read(t, s.path(s.sumsName())), '\n'), 0o600))
	if err := s.verify(t, "other"); err == nil {
		t.Error("the signature is good for another file too: this test shows nothing")
	}
}

func (s snapshot) knowsItsVersion(t *testing.T) {
	t.Helper()
	binary := filepath.Join(s.unpack(t), s.programName())
	if version, err := exec.CommandContext(t.Context(), binary, "--version").Output(); err != nil || strings.TrimSpace(string(version)) != s.version {
		t.Errorf("--version prints %q, %v; want %s", version, err, s.version)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return content
}

func sha256Of(t *testing.T, path string) string {
	t.Helper()
	sum := sha256.Sum256(read(t, path))
	return hex.EncodeToString(sum[:])
}

// snapshot is what `make release-snapshot` builds, for this machine alone.
type snapshot struct {
	dist    string
	version string
	// public is the GnuPG folder of somebody who knows the public key that the checksums are signed with, and no other.
	public string
}

// newSnapshot builds one, signed with a key that nobody knows before or after.
func newSnapshot(t *testing.T) snapshot {
	t.Helper()
	for _, tool := range []string{"gpg", "unzip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s, by which releases are signed or unpacked, is not there: apt-get install %s", tool, tool)
		}
	}
	s := snapshot{dist: filepath.Join(t.TempDir(), "dist"), public: gpgHome(t)}
	private := gpgHome(t)
	gpg(t, private, nil, "--batch", "--passphrase", "", "--quick-generate-key", "release test", "rsa3072", "sign", "never")
	fingerprint := ""
	for line := range strings.Lines(string(gpg(t, private, nil, "--list-keys", "--with-colons"))) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			fingerprint = fields[9]
		}
	}
	gpg(t, s.public, gpg(t, private, nil, "--armor", "--export", fingerprint), "--import")

	build := exec.CommandContext(t.Context(), filepath.Join(root, "tools/release-snapshot"), "--host", s.dist)
	build.Env = append(os.Environ(), "GNUPGHOME="+private, "GPG_FINGERPRINT="+fingerprint)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var metadata struct{ Version string }
	must(t, json.Unmarshal(read(t, s.path("metadata.json")), &metadata))
	s.version = metadata.Version
	return s
}

func (s snapshot) path(name string) string { return filepath.Join(s.dist, name) }

func (s snapshot) programName() string { return program + "_v" + s.version }

func (s snapshot) sumsName() string { return program + "_" + s.version + "_SHA256SUMS" }

func (s snapshot) manifestName() string { return program + "_" + s.version + "_manifest.json" }

func (s snapshot) zipName() string {
	return fmt.Sprintf("%s_%s_%s_%s.zip", program, s.version, runtime.GOOS, runtime.GOARCH)
}

// checksums are those of the checksum file, by file name.
func (s snapshot) checksums(t *testing.T) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for line := range strings.Lines(string(read(t, s.path(s.sumsName())))) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			t.Fatalf("%q is no line of a checksum file", line)
		}
		sums[name] = sum
	}
	return sums
}

// verify checks a file against the checksums' signature.
func (s snapshot) verify(t *testing.T, name string) error {
	t.Helper()
	out, err := gpgCommand(t, s.public, "--verify", s.path(s.sumsName())+".sig", s.path(name)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("verify %s: %w\n%s", name, err, out)
	}
	return nil
}

// unpack returns a folder with what is in the release's archive for this machine.
func (s snapshot) unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	archive, err := zip.OpenReader(s.path(s.zipName()))
	must(t, err)
	defer func() { must(t, archive.Close()) }()
	for _, file := range archive.File {
		from, err := file.Open()
		must(t, err)
		content, err := io.ReadAll(from)
		must(t, err)
		must(t, from.Close())
		must(t, os.WriteFile(filepath.Join(dir, filepath.Base(file.Name)), content, file.Mode()))
	}
	return dir
}

// gpgHome is a folder for keys.
func gpgHome(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700)) // gpg warns of any other
	// The agent that gpg has started notices within a minute that its folder is gone; asked to, it ends at once.
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run() })
	return dir
}

func gpgCommand(t *testing.T, home string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), "gpg", append([]string{"--homedir", home, "--no-tty"}, args...)...)
}

// gpg runs GnuPG and returns what it prints.
func gpg(t *testing.T, home string, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := gpgCommand(t, home, args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gpg %v: %v\n%s", args, err, &stderr)
	}
	return out
}
