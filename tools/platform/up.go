package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/debian"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/engine"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/kindcluster"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/nodeimage"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/state"
)

func upCommand() *cobra.Command {
	var images string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring the platform up, or leave it as it is where everything runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := open(cmd)
			if err != nil {
				return err
			}
			unlock, err := p.lock(cmd.Context(), "up")
			if err != nil {
				return err
			}
			defer unlock()
			return p.up(cmd.Context(), images, false)
		},
	}
	imagesFlag(cmd, &images)
	return cmd
}

// imagesFlag is what tells where images come from.
func imagesFlag(cmd *cobra.Command, images *string) {
	cmd.Flags().StringVar(images, "images", defaultImages(),
		"where images come from: pulled (an ordinary Docker engine and a registry), built (from packages), auto; also $"+envImages)
}

// up makes everything run, whatever there was before, and writes the calling clone's env file. A temporary platform is
// one that nobody has asked for without temporary. Whoever calls has the lock.
func (p *platform) up(ctx context.Context, images string, temporary bool) error {
	start := time.Now()
	err := p.load()
	if err != nil {
		return err
	}
	if images, err = p.chooseImages(ctx, images); err != nil {
		return err
	}
	if err := checkVersions(images); err != nil {
		return err
	}
	if p.record == nil {
		p.record = p.newRecord(images)
		p.record.Temporary = temporary
	} else if p.record.Temporary && !temporary {
		p.record.Temporary = false
		if err := p.state.Save(p.record); err != nil {
			return err
		}
	}
	if err := p.useEngine(); err != nil {
		return err
	}

	recipe, err := p.recipe()
	if err != nil {
		return err
	}

	if p.record.Complete && p.clusterAnswers(ctx) {
		return p.useRunning(ctx, recipe)
	}
	if p.record.Complete && ctx.Err() != nil {
		// It was whole, and nothing was changed yet.
		return ctx.Err()
	}
	if err := p.bringUp(ctx, recipe); err != nil {
		if p.record.Temporary {
			return err
		}
		return p.abandon(ctx, err)
	}
	p.Say("the platform is up after %s; source %s to use it", time.Since(start).Round(time.Second), p.envFile())
	return nil
}

func (p *platform) newRecord(images string) *state.Record {
	if images == imagesBuilt {
		return &state.Record{Images: images, DockerHost: p.engine().Host(), Address: engine.Address}
	}
	return &state.Record{Images: images, DockerHost: os.Getenv("DOCKER_HOST"), Address: loopback}
}

const otherSources = "the platform was made from other sources than this clone's: platform down and up again give you these"

// answerAtMost is how long a cluster that runs may be too busy to answer.
const answerAtMost = 30 * time.Second

// clusterAnswers tells whether the cluster of a complete platform still runs.
func (p *platform) clusterAnswers(ctx context.Context) bool {
	if p.builtEngine() && !p.engine().Running(ctx) {
		return false
	}
	if p.cluster().WaitForAPI(ctx, 0) == nil {
		return true
	}
	p.Say("the API server does not answer: waiting for it, at most %s", answerAtMost)
	return p.cluster().WaitForAPI(ctx, answerAtMost) == nil
}

// useRunning makes a platform that is whole usable for the calling clone. What other sources made stays as it is: others
// may be using it. Interrupted here, the platform stays up.
func (p *platform) useRunning(ctx context.Context, recipe string) error {
	keep := p.record.Recipe != recipe
	if err := p.deploy(ctx, keep); err != nil {
		return err
	}
	p.Say("the platform is up since %s", p.record.Since.Local().Format(time.DateTime))
	if keep {
		p.Say(otherSources)
	}
	return nil
}

// bringUp does every step of which the result is not there yet.
func (p *platform) bringUp(ctx context.Context, recipe string) error {
	p.record.Complete = false
	if err := p.state.Save(p.record); err != nil {
		return err
	}
	node, err := p.engineAndImages(ctx)
	if err != nil {
		return err
	}
	if err := p.ensureCluster(ctx, node); err != nil {
		return err
	}
	if !p.builtEngine() {
		if err := p.Run(ctx, "Make and load the image that no registry has", p.ownImage); err != nil {
			return err
		}
	}

	// Those for whom it stopped answering go on with what they had.
	holders, err := p.state.Holders()
	if err != nil {
		return err
	}
	keep := len(holders) > 0 && p.record.Recipe != "" && p.record.Recipe != recipe
	if !keep {
		p.record.Recipe = "" // what runs is of both, until all is deployed
		if err := p.state.Save(p.record); err != nil {
			return err
		}
	}
	if err := p.deploy(ctx, keep); err != nil {
		return err
	}
	if p.builtEngine() {
		if err := p.Run(ctx, "Drop images of before", p.engine().Prune); err != nil {
			return err
		}
	}
	if keep {
		p.Say(otherSources)
	} else {
		p.record.Recipe = recipe
	}
	p.record.Complete = true
	if p.record.Since.IsZero() {
		p.record.Since = time.Now().UTC().Round(time.Second)
	}
	return p.state.Save(p.record)
}

// deploy makes everything run in the cluster that is to, and writes the calling clone's env file. Where all runs
// it takes seconds. With keep nothing that runs is changed.
func (p *platform) deploy(ctx context.Context, keep bool) error {
	w := p.workload()
	w.Keep = keep
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return p.Run(gctx, "Wait for the cluster's own pods", func(ctx context.Context, s *progress.Step) error {
			return p.cluster().WaitForSystem(ctx, 5*time.Minute, s.Log)
		})
	})
	g.Go(func() error { return w.Deploy(gctx) })
	if err := g.Wait(); err != nil {
		return err
	}
	return w.WriteEnv(ctx, p.clone)
}

// engineAndImages makes a Docker engine run that has the node image, and returns the image's name.
func (p *platform) engineAndImages(ctx context.Context) (string, error) {
	if !p.builtEngine() {
		return pulledNode(), nil
	}
	if err := p.Run(ctx, "Install Debian packages", func(ctx context.Context, s *progress.Step) error {
		// With gpg tests sign the release that they build, with unzip they unpack it.
		return debian.Ensure(ctx, s, append([]string{"gpg", "unzip"}, engine.Packages...)...)
	}); err != nil {
		return "", err
	}

	var node image.Archive
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Run(gctx, "Start the Docker engine", p.engine().Start) })
	g.Go(func() error {
		archives, err := p.workload().Archives(gctx)
		if err != nil {
			return err
		}
		node, err = nodeimage.Build(gctx, p.cache, p.Reporter, p.moduleRoot(), archives)
		return err
	})
	if err := g.Wait(); err != nil {
		return "", err
	}
	return node.Ref, p.Run(ctx, "Load the node image", func(ctx context.Context, s *progress.Step) error {
		return p.engine().Load(ctx, s, node.Ref, node.Path)
	})
}

// ownImage gives the cluster the image that it cannot pull. Where all images are built the node has it.
func (p *platform) ownImage(ctx context.Context, s *progress.Step) error {
	ref, err := p.workload().OwnImage(ctx, s)
	if err != nil {
		return err
	}
	return kindcluster.LoadImage(ctx, ref, s.Log)
}

// ensureCluster keeps a cluster that was made to its end from this image and comes back, and else makes one, unless
// somebody holds the platform: the databases of before would be gone.
func (p *platform) ensureCluster(ctx context.Context, node string) error {
	why := "it was not made to its end"
	switch {
	case p.record.ClusterMade && p.record.NodeImage == node:
		err := p.Run(ctx, "Start the cluster again", func(ctx context.Context, _ *progress.Step) error {
			if err := kindcluster.Start(ctx); err != nil {
				return err
			}
			return p.cluster().WaitForAPI(ctx, 3*time.Minute)
		})
		if err == nil || ctx.Err() != nil {
			return err
		}
		why = "it does not come back"
	case p.record.ClusterMade:
		why = "the node image is another one now"
	}
	// This process is none of them yet.
	holders, err := p.state.Holders()
	if err != nil {
		return err
	}
	if len(holders) > 0 {
		return fmt.Errorf("the cluster would have to be made anew (%s), but it is in use (platform down --force removes it all the same):\n  %s",
			why, strings.Join(holders, "\n  "))
	}
	if p.record.ClusterMade {
		p.Say("the cluster is made anew: %s", why)
	}
	p.record.ClusterMade, p.record.NodeImage, p.record.Since = false, node, time.Time{}
	if err := p.state.Save(p.record); err != nil {
		return err
	}
	if err := p.Run(ctx, "Make the kind cluster", func(ctx context.Context, s *progress.Step) error {
		return p.cluster().Create(ctx, node, s.Log)
	}); err != nil {
		return err
	}
	p.record.ClusterMade = true
	return p.state.Save(p.record)
}

// abandon handles the error that up ends with. A signal ends the engine too, unless somebody holds the platform: nothing
// half done goes on running unseen. After any other error all stays as it is, to be looked at.
func (p *platform) abandon(ctx context.Context, cause error) error {
	if ctx.Err() == nil {
		return fmt.Errorf("%w\nwhat runs so far stays, to be looked at (platform logs); platform up goes on from there, platform down removes it", cause)
	}
	holders, err := p.state.Holders()
	if err != nil || len(holders) > 0 {
		return errors.Join(errors.New("interrupted"), err)
	}
	p.Say("interrupted: stopping")
	if p.builtEngine() {
		if err := p.engine().Stop(context.WithoutCancel(ctx)); err != nil {
			return errors.Join(errors.New("interrupted"), err)
		}
	}
	p.Say("interrupted; platform up goes on from here, platform down removes what there is")
	return errSilent
}

func (p *platform) envFile() string { return filepath.Join(p.clone, ".platform", "env") }
