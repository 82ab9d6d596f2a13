package kindcluster

import (
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/kind/pkg/log"
)

// detail is how much of what kind tells is kept: the commands it runs on nodes, with their output.
const detail log.Level = 3

// logger writes what kind tells to a step's log.
type logger struct{ out io.Writer }

func (l logger) Warn(message string)            { l.line("warning: " + message) }
func (l logger) Warnf(format string, a ...any)  { l.Warn(fmt.Sprintf(format, a...)) }
func (l logger) Error(message string)           { l.line("error: " + message) }
func (l logger) Errorf(format string, a ...any) { l.Error(fmt.Sprintf(format, a...)) }

func (l logger) V(level log.Level) log.InfoLogger {
	return infoLogger{logger: l, enabled: level <= detail}
}

// line is one write, so that concurrent ones do not mix.
func (l logger) line(s string) {
	_, _ = io.WriteString(l.out, strings.TrimSuffix(s, "\n")+"\n")
}

type infoLogger struct {
	logger
	enabled bool
}

func (l infoLogger) Enabled() bool { return l.enabled }

func (l infoLogger) Info(message string) {
	if l.enabled {
		l.line(message)
	}
}

func (l infoLogger) Infof(format string, a ...any) { l.Info(fmt.Sprintf(format, a...)) }
