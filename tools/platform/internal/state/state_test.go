package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOpenPrefersItsVariable(t *testing.T) {
	t.Setenv(EnvDir, "/somewhere/else")
	t.Setenv("XDG_STATE_HOME", "/not/here")
	d, err := Open()
	if err != nil || d != "/somewhere/else" {
		t.Fatalf("Open() = %q, %v", d, err)
	}
	t.Setenv(EnvDir, "")
	d, err = Open()
	if err != nil || d != "/not/here/pgplatform" {
		t.Fatalf("Open() = %q, %v", d, err)
	}
}

func TestOpenRefusesWhatSocketsDoNotFitIn(t *testing.T) {
	t.Setenv(EnvDir, "/"+strings.Repeat("long/", 20))
	if _, err := Open(); err == nil || !strings.Contains(err.Error(), EnvDir) {
		t.Fatalf("Open() = %v, want an error that names %s", err, EnvDir)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	d := Dir(filepath.Join(t.TempDir(), "state"))
	if r, err := d.Load(); r != nil || err != nil {
		t.Fatalf("Load() of nothing = %v, %v", r, err)
	}
	want := Record{Images: "built", NodeImage: "n:1", ClusterMade: true, Since: time.Now().UTC().Round(time.Second)}
	if err := d.Save(&want); err != nil {
		t.Fatal(err)
	}
	got, err := d.Load()
	if err != nil || *got != want {
		t.Fatalf("Load() = %+v, %v; want %+v", got, err, want)
	}
}

func TestLoadOfABrokenRecordSaysWhatToDo(t *testing.T) {
	t.Parallel()
	d := Dir(t.TempDir())
	if err := os.WriteFile(d.recordFile(), []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load(); err == nil || !strings.Contains(err.Error(), "down") {
		t.Fatalf("Load() = %v", err)
	}
}

func TestLockWaitsAndNamesTheHolder(t *testing.T) {
	t.Parallel()
	d := Dir(filepath.Join(t.TempDir(), "state"))
	release, err := d.Lock(t.Context(), "up", func(string) { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	got := make(chan error, 1)
	go func() {
		second, err := d.Lock(t.Context(), "down", func(holder string) { told <- holder })
		if err == nil {
			second()
		}
		got <- err
	}()
	if holder := <-told; !strings.Contains(holder, `"up"`) {
		t.Errorf("holder = %q, want the command that has the lock", holder)
	}
	select {
	case err := <-got:
		t.Fatalf("two runs had the lock at once (%v)", err)
	default:
	}
	release()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

// Bringing the platform down removes the folder while others wait for the lock in it.
func TestLockOutlivesTheFolder(t *testing.T) {
	t.Parallel()
	d := Dir(filepath.Join(t.TempDir(), "state"))
	first, err := d.Lock(t.Context(), "down", nil)
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan struct{})
	got := make(chan error, 1)
	go func() {
		_, err := d.Lock(t.Context(), "up", func(string) { close(waits) })
		got <- err
	}()
	<-waits
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	first()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*lookAgain)
	defer cancel()
	if _, err := d.Lock(ctx, "up", func(string) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second lock beside the waiting one's = %v", err)
	}
}
