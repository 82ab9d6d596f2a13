package cnpg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Warnings collects the admission warnings that the API server sends with its answers, each text once, and the rights that were
// missing and could be done without. It is safe for concurrent use.
type Warnings struct {
	mu      sync.Mutex
	texts   []string
	without []string
}

// Texts returns what was collected, in order.
func (w *Warnings) Texts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.texts)
}

// Without returns the rights that were done without, in the API server's words, each with what is lost by that.
func (w *Warnings) Without() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.without)
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

// DoWithout notes that what an error refuses, if anything, is done without: lost says what that means.
func DoWithout(ctx context.Context, err error, lost string) {
	w, ok := ctx.Value(warningsKey{}).(*Warnings)
	refused := refusalIn(err)
	if !ok || refused == "" {
		return
	}
	text := fmt.Sprintf("%s: %s.", strings.TrimSuffix(refused, "."), lost)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.without, text) {
		w.without = append(w.without, text)
	}
}

// refusalIn are the API server's words in an error that is its refusal; "" of another one.
func refusalIn(err error) string {
	var status apierrors.APIStatus
	var refused *execError
	switch {
	case errors.As(err, &refused):
		return refused.words()
	case apierrors.IsForbidden(err) && errors.As(err, &status):
		return status.Status().Message
	}
	return ""
}

// contextWarnings is the client's warning handler.
type contextWarnings struct{}

func (contextWarnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if w, ok := ctx.Value(warningsKey{}).(*Warnings); ok && code == 299 && text != "" {
		w.add(text)
	}
}
