package kube

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestParse(t *testing.T) {
	t.Parallel()
	objects, err := Parse([]byte("# only a comment\n---\nkind: A\nmetadata: {name: a}\n---\n\n---\nkind: B\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[0].GetName() != "a" || objects[1].GetKind() != "B" {
		t.Errorf("objects are %v", objects)
	}
	if _, err := Parse([]byte("kind: [")); err == nil {
		t.Error("what is no YAML is no error")
	}
}

func TestUntilGivesTheLastError(t *testing.T) {
	t.Parallel()
	err := Until(t.Context(), 10*time.Millisecond, func(context.Context) error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "not yet") {
		t.Errorf("the error is %v", err)
	}
	calls := 0
	err = Until(t.Context(), time.Minute, func(context.Context) error {
		if calls++; calls < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || calls != 2 {
		t.Errorf("after %d calls: %v", calls, err)
	}
}

func TestRolledOut(t *testing.T) {
	t.Parallel()
	done := appsv1.DeploymentStatus{ObservedGeneration: 2, UpdatedReplicas: 1, Replicas: 1, AvailableReplicas: 1}
	for name, change := range map[string]func(*appsv1.DeploymentStatus){
		"not seen by the controller": func(s *appsv1.DeploymentStatus) { s.ObservedGeneration = 1 },
		"old pod still there":        func(s *appsv1.DeploymentStatus) { s.Replicas = 2 },
		"not available":              func(s *appsv1.DeploymentStatus) { s.AvailableReplicas = 0 },
	} {
		status := done
		change(&status)
		if rolledOut(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Status: status}) {
			t.Errorf("%s: it counts as rolled out", name)
		}
	}
	if !rolledOut(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Status: done}) {
		t.Error("it does not count as rolled out")
	}
}

func TestEstablished(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`kind: D`: false,
		`status: {conditions: [{type: NamesAccepted, status: "True"}, {type: Established, status: "False"}]}`: false,
		`status: {conditions: [{type: NamesAccepted, status: "True"}, {type: Established, status: "True"}]}`:  true,
	} {
		objects, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := established(objects[0]); got != want {
			t.Errorf("%s is established: %t", text, got)
		}
	}
}

func TestWaitTellsWhatPodsSay(t *testing.T) {
	t.Parallel()
	one := int32(1)
	c := &Client{typed: fake.NewClientset(
		&appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "d"}, Spec: appsv1.DeploymentSpec{Replicas: &one},
		},
		&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "d-1"},
			Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
				Name: "main", Image: "registry/image",
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such host"}},
			}}},
		},
		&corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "e"}, Type: corev1.EventTypeWarning,
			Reason: "Failed", Message: "pulling failed",
		},
	)}
	var log strings.Builder
	err := c.WaitForDeployment(t.Context(), "ns", "d", 10*time.Millisecond, &log)
	if err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("the error does not name the cause: %v", err)
	}
	if !strings.Contains(log.String(), "pulling failed") {
		t.Errorf("the log lacks the event: %s", log.String())
	}
	if why := c.imageRefused(t.Context(), "ns"); !strings.Contains(why, "registry/image") {
		t.Errorf("the refused image is %q", why)
	}
}
