package provider

import (
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/types"
)

// What the descriptions of an object store's settings say of their defaults is what becomes of them: each is the provider's, unless an
// endpoint or a profile of the store's own ends that, which its description says then.
func TestDescriptionsOfAnObjectStoreAreTrue(t *testing.T) {
	t.Parallel()
	settings := map[string]func(*objectStore) any{
		"destination_path": func(s *objectStore) any { return s.destinationPath },
		"endpoint_url":     func(s *objectStore) any { return s.client.EndpointURL },
		"pod_endpoint_url": func(s *objectStore) any { return s.podEndpointURL },
		"region":           func(s *objectStore) any { return []string{s.region, s.client.Region} },
		"profile":          func(s *objectStore) any { return s.client.Profile },
		"assume_role":      func(s *objectStore) any { return s.client.AssumeRole },
		"use_path_style":   func(s *objectStore) any { return s.client.UsePathStyle },
		"ca_certificate":   func(s *objectStore) any { return []string{s.caCertificate, s.client.CACertificate} },
	}
	text := types.StringValue
	providers := newObjectStore(&providerObjectStore{
		DestinationPath: text("s3://ours"), EndpointURL: text("https://ours"), PodEndpointURL: text("https://ours.pods"), Region: text("ours"),
		Profile: text("ours"), AssumeRole: &assumeRoleModel{RoleARN: text("ours")}, UsePathStyle: types.BoolValue(false), CACertificate: text("ours"),
	})
	of := func(o storeOverride) *objectStore { return providers.with(&o) }
	open, endpoint, profile := of(storeOverride{}), of(storeOverride{EndpointURL: text("https://own")}), of(storeOverride{Profile: text("own")})
	differs := func(name string, s *objectStore) bool {
		return !reflect.DeepEqual(settings[name](s), settings[name](&providers))
	}

	descriptions := map[string]string{}
	for name, a := range storeOverrideAttribute("").Attributes {
		descriptions["object_store."+name] = a.GetMarkdownDescription()
	}
	for name, a := range archiveSourceAttribute().Attributes {
		descriptions["data.object_store."+name] = a.GetMarkdownDescription()
	}
	looked := 0
	for at, description := range descriptions {
		name := at[strings.LastIndex(at, ".")+1:]
		if _, refused := refusedKeyTypes[name]; refused || name == "server_name" {
			continue
		}
		if settings[name] == nil {
			t.Errorf("%s: this test does not know what is done with it", at)
			continue
		}
		looked++
		if differs(name, open) || !strings.Contains(description, "the provider's") {
			t.Errorf("%s is by default the provider's: %t; its description: %s", at, !differs(name, open), description)
		}
		if lost := name != "endpoint_url" && differs(name, endpoint); lost != strings.Contains(description, "`endpoint_url`") {
			t.Errorf("%s is another one with an endpoint of its own: %t; its description: %s", at, lost, description)
		}
		if lost := name != "profile" && differs(name, profile); lost != strings.Contains(description, "`profile`") {
			t.Errorf("%s is another one with a profile of its own: %t; its description: %s", at, lost, description)
		}
	}
	if looked != 15 { // the list has no pods
		t.Errorf("%d settings were looked at", looked)
	}
}
