package provider

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/robfig/cron"
)

// sundayAsSeven finds a 7 that stands for Sunday, which CNPG's parser does not know, in a field of days of the week.
var sundayAsSeven = regexp.MustCompile(`(^|,)7($|,)`)

// renderSchedule gives the schedule in CNPG's form, six fields with the seconds first. Accepted are the five fields of
// crontab(5), CNPG's six, and descriptors such as @daily. CNPG itself takes five fields too, but reads the first as
// seconds: "0 3 * * *" would run every hour.
func renderSchedule(s string) (string, error) {
	fields := strings.Fields(s)
	if len(fields) == 0 {
		return "", fmt.Errorf("a schedule cannot be empty")
	}
	if !strings.HasPrefix(fields[0], "@") {
		switch len(fields) {
		case 5:
			fields = append([]string{"0"}, fields...)
		case 6:
		default:
			return "", fmt.Errorf("%q has %d fields: write five (minute, hour, day of month, month, day of week), "+
				"six with the seconds first, or a descriptor such as @daily", s, len(fields))
		}
		fields[5] = sundayAsSeven.ReplaceAllString(fields[5], "${1}0${2}")
	}
	rendered := strings.Join(fields, " ")
	// The parser that CNPG uses, so that what is accepted here is accepted there.
	if _, err := cron.Parse(rendered); err != nil {
		return "", fmt.Errorf("%q is no schedule: %w", s, err)
	}
	return rendered, nil
}

func isSchedule() validator.String {
	return parses{"a cron schedule", func(s string) error { _, err := renderSchedule(s); return err }}
}
