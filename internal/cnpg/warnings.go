package cnpg

import (
	"context"
	"slices"
	"strings"
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

// InTreeDeprecated tells whether a warning is the one that CNPG sends for each object that uses its own support for barman. Its text
// names the fields of the object that do.
func InTreeDeprecated(text string) bool {
	return strings.HasPrefix(text, "Native support for Barman Cloud") && strings.Contains(text, "deprecated")
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
