package barman

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyS3StaysOfBotocore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "botocore", "data")
	for _, service := range []string{"s3", "sts", "ec2"} {
		if err := os.MkdirAll(filepath.Join(data, service), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "endpoints.json"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := onlyS3(dir); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(data, "*"))
	if err != nil || len(left) != 3 {
		t.Errorf("left are %v, %v", left, err)
	}
}
