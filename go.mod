module github.com/pgplatform/terraform-provider-pgplatform

go 1.26.4

require (
	github.com/cloudnative-pg/api v1.30.0 // indirect
	github.com/hashicorp/terraform-plugin-testing v1.16.0 // indirect
	k8s.io/api v0.36.3 // indirect
	k8s.io/client-go v0.36.3 // indirect
)
