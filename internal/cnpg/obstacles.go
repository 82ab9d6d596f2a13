package cnpg

import (
	"slices"
	"strings"

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
	noPluginImage = Cause{
		Meaning: "The image of the Barman Cloud plugin's container cannot be pulled, which the pods archive with and restore by.",
		Remedy: "It is the plugin's installation that names it (the variable SIDECAR_IMAGE of its Deployment, beside the operator), and no attribute. " +
			"See that it exists, that the nodes reach its registry, and set image_pull_secrets where that asks for a login.",
	}
	noCertificate = Cause{
		Meaning: "The pods do not start without the certificate of S3's authority that the ObjectStore names (endpointCA): the Secret, or the key in it, is not there.",
		Remedy: "Apply again: that writes the Secret that is the provider's, where ca_certificate is set in the object_store of the provider's configuration. " +
			"Another Secret has to be made by whom it belongs to, or taken out of the ObjectStore.",
	}
)

// certificatesVolume is the volume of pods in which the Barman Cloud plugin has the certificates of authorities.
const certificatesVolume = "barman-certificates"

// imageReasons are the kubelet's words for a container that waits for its image in vain, or for the next try.
var imageReasons = []string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"}

// obstacles are what keeps pods from starting, as far as it is known what that means: each once, in the words of the first pod.
// They may go by themselves, so that they end no wait; they explain one that was in vain.
func obstacles(s *Snapshot) []Cause {
	var found []Cause
	for _, event := range s.Events {
		if event.Reason == "FailedMount" && strings.Contains(event.Message, certificatesVolume) && isWaiting(s.Pods, event.InvolvedObject.Name) {
			found = withCause(found, noCertificate, event.Message)
		}
	}
	pods := s.Pods
	for i := range pods {
		for _, condition := range pods[i].Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
				found = withCause(found, noNode, condition.Message)
			}
		}
		for _, status := range containerStatuses(&pods[i]) {
			if w := status.State.Waiting; w != nil && slices.Contains(imageReasons, w.Reason) {
				what := noImage
				if status.Name == pluginContainer {
					what = noPluginImage
				}
				found = withCause(found, what, w.Message)
			}
		}
	}
	return found
}

// isWaiting tells whether a pod has not started: events stay when what they tell of is over.
func isWaiting(pods []corev1.Pod, name string) bool {
	return slices.ContainsFunc(pods, func(pod corev1.Pod) bool { return pod.Name == name && pod.Status.Phase == corev1.PodPending })
}

// withCause adds a cause that is known, and that is not there yet.
func withCause(causes []Cause, cause Cause, line string) []Cause {
	if cause.Meaning == "" || slices.ContainsFunc(causes, func(other Cause) bool { return other.Meaning == cause.Meaning }) {
		return causes
	}
	cause.Line = line
	return append(causes, cause)
}
