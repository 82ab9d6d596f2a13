package provider

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework/provider"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// onFakes is without time to settle, since the operator of the fakes has looked at a change when the request that made it is
// answered, and with little patience for what passes by itself.
var onFakes = pace{outage: time.Minute, overtaken: 5 * time.Second, reading: 10 * time.Second, graces: cnpg.Graces{
	Phase: time.Minute, Plugin: 500 * time.Millisecond, Restart: time.Minute, Archiving: 500 * time.Millisecond, LookAgain: 100 * time.Millisecond, Progress: time.Second,
}}

// NewOnFakes is [New] at the pace of the fakes.
func NewOnFakes(version string) func() provider.Provider {
	return func() provider.Provider { return &pgplatformProvider{version: version, pace: onFakes} }
}

// NewImpatient is [NewOnFakes] without patience for a phase that only a person ends.
func NewImpatient(version string) func() provider.Provider {
	impatient := onFakes
	impatient.graces.Phase = impatient.graces.Plugin
	return func() provider.Provider { return &pgplatformProvider{version: version, pace: impatient} }
}
