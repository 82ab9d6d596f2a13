package apitest

import (
	"encoding/json"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
)

// frame is one event as it goes over the wire.
type frame struct {
	Type   watch.EventType `json:"type"`
	Object any             `json:"object"`
}

// watch serves a watch until the client goes, the server ends it, or a fault does.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, t target, fault Fault) {
	selector, err := t.res.selector(t.Request)
	if err != nil {
		code, answer, _ := refusal(apierrors.NewBadRequest(err.Error()))
		write(w, code, answer)
		return
	}
	initial := t.Query.Get("sendInitialEvents") == "true"
	s.mu.Lock()
	if initial && s.listOnly {
		s.mu.Unlock()
		code, answer, _ := refusal(apierrors.NewInvalid(metav1.SchemeGroupVersion.WithKind("ListOptions").GroupKind(), "",
			field.ErrorList{field.Forbidden(field.NewPath("sendInitialEvents"), "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")}))
		write(w, code, answer)
		return
	}
	s.open++
	generation := s.watches
	seen, frames := s.begin(t, selector, initial)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
	}()

	warn(w, fault.Warnings)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	if fault.ExpireWatch {
		frames = append(frames, expired())
	}
	ended := fault.EndWatch || len(frames) > 0 && frames[len(frames)-1].Type == watch.Error
	for {
		for _, f := range frames {
			if json.NewEncoder(w).Encode(f) != nil {
				return
			}
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		if ended {
			return
		}
		s.mu.Lock()
		news := s.news
		frames, seen = s.since(t.res, selector, seen)
		over := s.watches != generation
		s.mu.Unlock()
		switch {
		case len(frames) > 0:
		case over:
			return
		default:
			select {
			case <-r.Context().Done():
				return
			case <-news:
			}
		}
	}
}

// begin is what a watch is told first, and the version that it has then seen. The server is locked.
func (s *Server) begin(t target, selector selector, initial bool) (seen int64, frames []frame) {
	from := t.Query.Get("resourceVersion")
	version, err := strconv.ParseInt(from, 10, 64)
	if !initial && from != "" && from != "0" {
		if err != nil || version < s.oldest {
			return s.version, []frame{expired()}
		}
		return version, nil
	}
	for _, object := range s.sorted(t.res) {
		if selector.matches(object) {
			frames = append(frames, frame{watch.Added, object.DeepCopy()})
		}
	}
	if initial {
		bookmark := &unstructured.Unstructured{Object: map[string]any{}}
		bookmark.SetGroupVersionKind(t.res.gvk)
		bookmark.SetResourceVersion(strconv.FormatInt(s.version, 10))
		bookmark.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
		frames = append(frames, frame{watch.Bookmark, bookmark})
	}
	return s.version, frames
}

// since are the changes after a version, as a selector sees them: an object that it no longer matches is gone. The server
// is locked.
func (s *Server) since(res *resource, selector selector, seen int64) ([]frame, int64) {
	if seen < s.oldest {
		return []frame{expired()}, s.version
	}
	var frames []frame
	for _, c := range s.history {
		if c.version <= seen || c.res != res {
			continue
		}
		is, was := c.kind != watch.Deleted && selector.matches(c.object), selector.matches(c.before)
		switch {
		case is && was:
			frames = append(frames, frame{watch.Modified, c.object.DeepCopy()})
		case is:
			frames = append(frames, frame{watch.Added, c.object.DeepCopy()})
		case was:
			frames = append(frames, frame{watch.Deleted, c.object.DeepCopy()})
		}
	}
	return frames, s.version
}

func expired() frame {
	status := apierrors.NewResourceExpired("too old resource version").Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	return frame{watch.Error, &status}
}
