package archive_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// Sixteen files are read at once, and never more, whatever they are.
func TestReadsAtOnce(t *testing.T) {
	t.Parallel()
	const most = 16
	for name, read := range map[string]func(context.Context, *archive.Client, archive.Location) error{
		"Catalog": func(ctx context.Context, c *archive.Client, loc archive.Location) error {
			_, err := c.Catalog(ctx, loc, "my-db")
			return err
		},
		"List": func(ctx context.Context, c *archive.Client, loc archive.Location) error {
			_, err := c.List(ctx, loc, "my-db", archive.Query{Limit: 40, Keep: func(*recovery.Backup) bool { return true }})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, c, loc := store(t)
			a := daily(srv, 60)
			for timeline := range uint32(40) {
				a.History(timeline+2, "1\t0/A000FF0\tno recovery target specified\n", at("10:00:00"))
			}
			var mu sync.Mutex
			reached, arrived := make(chan struct{}), 0
			srv.Fail(func(r s3test.Request) *s3test.Fault {
				if r.Op != "GetObject" {
					return nil
				}
				mu.Lock()
				if arrived++; arrived == most {
					close(reached)
				}
				mu.Unlock()
				select { // none of the first ones is answered before all of them have come
				case <-reached:
					return &s3test.Fault{Latency: time.Millisecond}
				case <-t.Context().Done():
					return nil
				}
			})
			if err := read(t.Context(), c, loc); err != nil {
				t.Fatal(err)
			}
			if n := srv.MostAtOnce("GetObject"); n != most {
				t.Errorf("%d files were read at once, want %d", n, most)
			}
			if n := srv.MostAtOnce("ListObjects"); n > most {
				t.Errorf("%d listings were made at once", n)
			}
		})
	}
}

// A store that does not go on is known for it without the patience that slow ones deserve.
func TestStoreThatStalls(t *testing.T) {
	t.Parallel()
	reads := map[string]func(context.Context, *archive.Client, archive.Location) error{
		"Catalog": func(ctx context.Context, c *archive.Client, loc archive.Location) error {
			_, err := c.Catalog(ctx, loc, "my-db")
			return err
		},
		"List": func(ctx context.Context, c *archive.Client, loc archive.Location) error {
			_, err := c.List(ctx, loc, "my-db", archive.Query{Limit: 2})
			return err
		},
		"Servers": func(ctx context.Context, c *archive.Client, loc archive.Location) error {
			_, err := c.Servers(ctx, loc)
			return err
		},
	}
	faults := map[string]struct {
		op    string // "" for all
		fault s3test.Fault
		want  string // "" where it is read all the same
	}{
		"hangs":                    {"", s3test.Fault{Hang: true}, "no answer in time"},
		"hangs at files":           {"GetObject", s3test.Fault{Hang: true}, "no answer in time"},
		"stalls in listings":       {"ListObjects", s3test.Fault{Stall: true}, "its answer stopped in the middle"},
		"stalls in files":          {"GetObject", s3test.Fault{Stall: true}, "its answer stopped in the middle"},
		"is slow, but comes along": {"", s3test.Fault{Drip: 120 * time.Millisecond}, ""},
	}
	for call, read := range reads {
		for name, test := range faults {
			if call == "Servers" && test.op == "GetObject" {
				continue
			}
			t.Run(call+" "+name, func(t *testing.T) {
				t.Parallel()
				srv, _, loc := store(t)
				daily(srv, 3)
				srv.Fail(func(r s3test.Request) *s3test.Fault {
					if test.op != "" && r.Op != test.op {
						return nil
					}
					return &test.fault
				})
				// An answer that comes along takes longer than its limit.
				c := client(t, archive.WithPatience(config(srv), time.Second))
				err := read(t.Context(), c, loc)
				if test.want == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				var unreachable *archive.UnreachableError
				if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v (%T), want %q", err, err, test.want)
				}
				// What was asked for beside it may be counted, but nothing is asked for twice.
				seen := map[s3test.Request]bool{}
				for _, r := range srv.Requests() {
					if seen[r] {
						t.Errorf("%+v was made again", r)
					}
					seen[r] = true
				}
			})
		}
	}
}
