package cnpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// fixture is the log of a real pod.
func fixture(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRecoveredIn(t *testing.T) {
	t.Parallel()
	lsn := func(text string) recovery.LSN {
		l, err := recovery.ParseLSN(text)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	whole := fixture(t, "recovered.log")
	begin, _, _ := strings.Cut(whole, "redo done at")
	tests := map[string]struct {
		log  string
		want Recovered
	}{
		"whole": {whole, Recovered{
			LastTransaction: time.Date(2026, 11, 22, 21, 58, 14, 296290000, time.UTC), LSN: lsn("0/4049290"), Timeline: 2,
		}},
		"not ended":             {begin, Recovered{}},
		"no transaction in WAL": {dropLine(whole, "last completed transaction"), Recovered{LSN: lsn("0/4049290"), Timeline: 2}},
		// The database that is started for its configuration, when it is recovered, has nothing to say of that.
		"a later start": {
			whole + `{"logger":"postgres","msg":"record","record":{"error_severity":"LOG","message":"redo done at 0/6000028 system usage"}}` + "\n",
			Recovered{LastTransaction: time.Date(2026, 11, 22, 21, 58, 14, 296290000, time.UTC), LSN: lsn("0/4049290"), Timeline: 2},
		},
		"nothing": {"", Recovered{}},
		"WAL that could not be fetched": {fixture(t, "bucket_gone.log"), Recovered{
			LastTransaction: time.Date(2026, 11, 22, 21, 58, 14, 296290000, time.UTC), LSN: lsn("0/4049290"),
			Trouble: "2026-11-22 22:34:56,433 [50] ERROR: Barman cloud WAL restore exception: An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation: The specified bucket does not exist.",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := recoveredIn(strings.NewReader(test.log)); got != test.want {
				t.Errorf("recoveredIn = %+v, want %+v", got, test.want)
			}
		})
	}
}

func dropLine(log, with string) string {
	var kept []string
	for _, line := range strings.Split(log, "\n") {
		if !strings.Contains(line, with) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func TestParseLogTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-03-26 12:00:07+00":              "2026-03-26T12:00:07Z",
		"2026-03-26 12:00:07.4+00":            "2026-03-26T12:00:07.4Z",
		"2026-03-26 17:30:07.411002+05:30":    "2026-03-26T12:00:07.411002Z",
		"2026-03-26 08:00:07.411002-04":       "2026-03-26T12:00:07.411002Z",
		"1890-03-26 12:53:35.411002+00:53:28": "1890-03-26T12:00:07.411002Z",
	} {
		if got, err := parseLogTime(text); err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("parseLogTime(%q) = %s, %v, want %s", text, got.Format(time.RFC3339Nano), err, want)
		}
	}
	if got, err := parseLogTime("infinity"); err == nil || !got.IsZero() {
		t.Errorf("parseLogTime(infinity) = %s, %v", got, err)
	}
}
