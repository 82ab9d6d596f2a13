//go:build !linux

package hostdiff

import "context"

func links(context.Context) ([]string, error) { return nil, nil }

func routes(context.Context) ([]string, error) { return nil, nil }
