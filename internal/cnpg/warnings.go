package cnpg

import (
	"context"
	"slices"
	"sync"
)

// Warnings collects the admission warnings that the API server sends with its answers, each text once.
// It is safe for concurrent use.
type Warnings struct {
	mu    sync.Mutex
	texts []string
}

// Texts returns what was collected, in order.
func (w *Warnings) Texts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.texts)
}

func (w *Warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.texts, text) {
		w.texts = append(w.texts, text)
	}
}

type warningsKey struct{}

// WithWarnings makes every request under the context add its warnings to w.
func WithWarnings(ctx context.Context, w *Warnings) context.Context {
	return context.WithValue(ctx, warningsKey{}, w)
}

// contextWarnings is the client's warning handler.
type contextWarnings struct{}

func (contextWarnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if w, ok := ctx.Value(warningsKey{}).(*Warnings); ok && code == 299 && text != "" {
		w.add(text)
	}
}
