package images

import (
	_ "embed"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/python"
)

//go:embed requirements/localstack.txt
var localStackRequirements string

var localStackSet = python.Set{Name: "localstack", Python: "3.11", Requirements: localStackRequirements}
