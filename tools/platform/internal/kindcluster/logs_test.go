package kindcluster

import (
	"errors"
	"strings"
	"testing"

	kinderrors "sigs.k8s.io/kind/pkg/errors"
	kindexec "sigs.k8s.io/kind/pkg/exec"
)

// That a node has no crictl is no reason to call its logs not whole; all else that kind could not get is.
func TestWithoutCrictl(t *testing.T) {
	t.Parallel()
	ran := func(words ...string) error {
		return kinderrors.WithStack(&kindexec.RunError{
			Command: append([]string{"docker", "exec", "--privileged", Name + "-control-plane"}, words...), Inner: errors.New("exit status 126"),
		})
	}
	crictl, journal := ran("crictl", "images"), ran("journalctl", "--no-pager")
	for name, c := range map[string]struct {
		err    error
		missed bool
		others string
	}{
		"nothing":   {nil, false, ""},
		"only that": {kinderrors.NewAggregate([]error{crictl}), true, ""},
		"among others": {kinderrors.NewAggregate([]error{
			kinderrors.NewAggregate([]error{crictl, journal}), errors.New("the disk is full"),
		}), true, "journalctl;the disk is full"},
		"others": {kinderrors.NewAggregate([]error{journal}), false, "journalctl"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			missed, others := withoutCrictl(c.err)
			if missed != c.missed || (others == nil) != (c.others == "") {
				t.Fatalf("missed %t, others: %v", missed, others)
			}
			for _, want := range strings.Split(c.others, ";") {
				if others != nil && (!strings.Contains(others.Error(), want) || strings.Contains(others.Error(), "crictl")) {
					t.Errorf("others: %v", others)
				}
			}
		})
	}
}
