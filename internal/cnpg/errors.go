package cnpg

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	// ErrNotFound says that the object does not exist.
	ErrNotFound = errors.New("not found")
	// ErrAlreadyExists says that an object of that name existed before; nothing was changed.
	ErrAlreadyExists = errors.New("already exists")
	// ErrReplaced says that the object was deleted, or deleted and made anew, since it was read; nothing was changed.
	ErrReplaced = errors.New("deleted, or made anew, since it was read")
	// ErrHasRun says that a Cluster that had never been ready has had an instance since; nothing was changed.
	ErrHasRun = errors.New("it has had a running instance since it was read")
	// ErrOlderVolume says that a Cluster that had never been ready has a volume that is older than it; nothing was changed.
	ErrOlderVolume = errors.New("it is older than the Cluster, so that it may hold a database")
	// ErrFilledVolume says that a Cluster that had never been ready has a volume that a recovery has filled; nothing was changed.
	ErrFilledVolume = errors.New("by its annotation cnpg.io/pvcStatus a recovery has filled it, so that it may hold a database")
	// ErrOutcomeUnknown says that the connection was lost while the object was being made, and that whether it exists
	// cannot be asked either.
	ErrOutcomeUnknown = errors.New("whether it exists now is not known")
	// ErrForbidden says that the credentials lack the right; the message of the API server names verb and resource.
	ErrForbidden = errors.New("forbidden")
)

// FieldConflict is a field that another manager owns and that an apply would have changed.
type FieldConflict struct {
	Manager string
	Field   string // as the API server writes it, for example .spec.instances
}

// ConflictError is a server-side apply that was refused because other managers own fields of it. Nothing was changed.
type ConflictError struct {
	Kind      string
	Key       Key
	Conflicts []FieldConflict
}

func (e *ConflictError) Error() string {
	parts := make([]string, 0, len(e.Conflicts))
	for _, c := range e.Conflicts {
		parts = append(parts, fmt.Sprintf("%s (owned by %q)", c.Field, c.Manager))
	}
	return fmt.Sprintf("%s %s: other field managers own %s", e.Kind, e.Key, strings.Join(parts, ", "))
}

// AdmissionError is a write that was refused for what the object says: by an admission webhook, by an admission policy or,
// where both are "", by the API server's own validation. Nothing was changed.
type AdmissionError struct {
	Kind string
	Key  Key
	// Webhook and Policy are the name of who refused it.
	Webhook, Policy string
	// Fields are those that the answer names, as CNPG and the API server write them, for example spec.storage.size.
	Fields []string
	// Err is the API server's answer.
	Err error
}

func (e *AdmissionError) Error() string { return fmt.Sprintf("%s %s: %v", e.Kind, e.Key, e.Err) }

// Unwrap gives the API server's answer.
func (e *AdmissionError) Unwrap() error { return e.Err }

// UndeclaredFieldError is an apply of a field that the kind does not have in this Kubernetes cluster. Nothing was changed.
type UndeclaredFieldError struct {
	Kind string
	Key  Key
	// Field is its place, for example spec.backup.barmanObjectStore.
	Field string
	// Err is the API server's answer.
	Err error
}

func (e *UndeclaredFieldError) Error() string { return fmt.Sprintf("%s %s: %v", e.Kind, e.Key, e.Err) }

// Unwrap gives the API server's answer.
func (e *UndeclaredFieldError) Unwrap() error { return e.Err }

var undeclared = regexp.MustCompile(`\.([^: ]+): field not declared in schema`)

var lackOfRight = regexp.MustCompile(` cannot [a-z]+ resource "`)

// MissingRight tells whether an error is that the credentials lack a right, and not a refusal for what an object says or for a
// quota, which have the same status. The API server's answer names user, verb, resource and namespace.
func MissingRight(err error) bool {
	return errors.Is(err, ErrForbidden) && lackOfRight.MatchString(err.Error())
}

// undeclaredField is the field that an API error is about; "" where it is about none. The answer has the status of a server that
// failed (500).
func undeclaredField(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return ""
	}
	if m := undeclared.FindStringSubmatch(status.Status().Message); m != nil {
		return m[1]
	}
	return ""
}

var (
	deniedByWebhook = regexp.MustCompile(`admission webhook "([^"]+)" denied the request`)
	deniedByPolicy  = regexp.MustCompile(`AdmissionPolicy '([^']+)' with binding '[^']*' denied request`)
)

// denial is the AdmissionError that an API error is; nil where it is none. Webhooks choose the HTTP status of their refusals
// themselves, and 403 is also what a missing right is answered with.
func denial(err error, kind string, key Key) *AdmissionError {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	denied := &AdmissionError{Kind: kind, Key: key, Err: err}
	text := status.Status().Message
	if m := deniedByWebhook.FindStringSubmatch(text); m != nil {
		denied.Webhook = m[1]
	} else if m := deniedByPolicy.FindStringSubmatch(text); m != nil {
		denied.Policy = m[1]
	} else if !apierrors.IsInvalid(err) {
		return nil
	}
	if details := status.Status().Details; details != nil {
		for _, cause := range details.Causes {
			if cause.Field != "" {
				denied.Fields = append(denied.Fields, cause.Field)
			}
		}
	}
	return denied
}

// explain turns an API error into one of the package's, with the object's kind and name in front.
func explain(err error, kind string, key Key) error {
	if err == nil {
		return nil
	}
	object := kind + " " + key.String()
	denied := denial(err, kind, key)
	switch {
	case apierrors.IsNotFound(err) && missesResource(err):
		of := "CloudNativePG"
		if kind == objectStoreTypeMeta.Kind {
			of = "the Barman Cloud plugin"
		}
		return fmt.Errorf("%s: the API server knows no such resource; is %s installed in this cluster? (%w)", object, of, err)
	case apierrors.IsNotFound(err) && key.Namespace != "" && missesNamespace(err):
		return fmt.Errorf("%s: %w", object, err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: %w", object, ErrNotFound)
	case differsInUID(err):
		return fmt.Errorf("%s: %w", object, ErrReplaced)
	case denied != nil:
		return denied
	case undeclaredField(err) != "":
		return &UndeclaredFieldError{Kind: kind, Key: key, Field: undeclaredField(err), Err: err}
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%s: %w", object, ErrAlreadyExists)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w: %w", object, ErrForbidden, err)
	case apierrors.IsConflict(err):
		if conflicts := fieldConflicts(err); len(conflicts) > 0 {
			return &ConflictError{Kind: kind, Key: key, Conflicts: conflicts}
		}
	}
	return fmt.Errorf("%s: %w", object, err)
}

// missesResource tells a missing CRD or API group from a missing object: of the former the API server knows nothing, so
// its answer is no Status object.
func missesResource(err error) bool { return unexpected(err) }

// unexpected tells an answer that is no Status object: the API server's own answers to what it knows are one.
func unexpected(err error) bool {
	return apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// missesNamespace tells a write into a namespace that does not exist.
func missesNamespace(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}

// differsInUID tells an apply that named the UID of another object, or of one that is gone.
func differsInUID(err error) bool {
	if apierrors.IsConflict(err) {
		return strings.Contains(err.Error(), "uid mismatch")
	}
	cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid)
	return ok && apierrors.IsInvalid(err) && cause.Field == "metadata.uid"
}

var conflictManager = regexp.MustCompile(`conflict with "([^"]*)"`)

func fieldConflicts(err error) []FieldConflict {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var conflicts []FieldConflict
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		manager := cause.Message
		if m := conflictManager.FindStringSubmatch(cause.Message); m != nil {
			manager = m[1]
		}
		conflicts = append(conflicts, FieldConflict{Manager: manager, Field: cause.Field})
	}
	return conflicts
}
