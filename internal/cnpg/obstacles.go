package cnpg

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

var (
	noNode = Cause{
		Meaning: "No node takes the pod.",
		Remedy: "Change what the message names: scheduling (node_selector, tolerations), resources, or storage.storage_class, whose volumes may be bound to other nodes. " +
			"Or have the Kubernetes cluster get a node that fits.",
	}
	noImage = Cause{
		Meaning: "The image cannot be pulled.",
		Remedy:  "Check that image or postgres_version names one that exists, set image_pull_secrets where its registry asks for a login, and see that the nodes reach the registry.",
	}
)

// imageReasons are the kubelet's words for a container that waits for its image in vain, or for the next try.
var imageReasons = []string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"}

// obstacles are what keeps pods from starting, as far as it is known what that means: each once, in the words of the first pod.
// They may go by themselves, so that they end no wait; they explain one that was in vain.
func obstacles(pods []corev1.Pod) []Cause {
	var found []Cause
	for i := range pods {
		for _, condition := range pods[i].Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
				found = withCause(found, noNode, condition.Message)
			}
		}
		for _, status := range containerStatuses(&pods[i]) {
			if w := status.State.Waiting; w != nil && slices.Contains(imageReasons, w.Reason) {
				found = withCause(found, noImage, w.Message)
			}
		}
	}
	return found
}

// withCause adds a cause that is known, and that is not there yet.
func withCause(causes []Cause, cause Cause, line string) []Cause {
	if cause.Meaning == "" || slices.ContainsFunc(causes, func(other Cause) bool { return other.Meaning == cause.Meaning }) {
		return causes
	}
	cause.Line = line
	return append(causes, cause)
}
