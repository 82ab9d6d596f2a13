package provider

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/robfig/cron"
)

// untilSunday finds what ends with a 7 that stands for Sunday, which CNPG's parser does not know: a day or a range of days,
// with a step or without.
var untilSunday = regexp.MustCompile(`^(?:([0-7]|[A-Za-z]{3})-)?7(?:/([1-9]))?$`)

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// daysOfWeek names the days of what ends with such a Sunday one by one.
func daysOfWeek(field string) string {
	parts := strings.Split(field, ",")
	for i, part := range parts {
		found := untilSunday.FindStringSubmatch(part)
		if found == nil {
			continue
		}
		begin, step := slices.Index(weekdays, strings.ToLower(found[1])), 1
		switch {
		case found[1] == "" && found[2] == "":
			begin = daysPerWeek
		case begin >= 0:
		default:
			number, err := strconv.Atoi(found[1])
			if err != nil {
				continue // no day: the parser says so
			}
			begin = number
		}
		if found[2] != "" {
			step = int(found[2][0] - '0')
		}
		var days []string
		for day := begin; day <= daysPerWeek; day += step {
			if name := strconv.Itoa(day % daysPerWeek); !slices.Contains(days, name) {
				days = append(days, name)
			}
		}
		parts[i] = strings.Join(days, ",")
	}
	return strings.Join(parts, ",")
}

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
		fields[5] = daysOfWeek(fields[5])
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
