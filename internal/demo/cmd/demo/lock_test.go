//go:build unix

package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestOneDemoAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "demo.lock")
	release, err := lock(t.Context(), path, func() { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}

	ctx, interrupt := context.WithCancel(t.Context())
	if _, err := lock(ctx, path, interrupt); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted while it waited: %v", err)
	}

	waited := false
	second, err := lock(t.Context(), path, func() {
		waited = true
		release()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer second()
	if !waited {
		t.Error("two demos had the lock at once")
	}
}
