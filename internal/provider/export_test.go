package provider

import "github.com/hashicorp/terraform-plugin-framework/provider"

// NewOnFakes is [New] without time to settle: the operator of the fakes has looked at a change when the request that made it
// is answered.
func NewOnFakes(version string) func() provider.Provider {
	return func() provider.Provider { return &pgplatformProvider{version: version} }
}
