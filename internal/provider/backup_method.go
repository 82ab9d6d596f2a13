package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// How a database archives is decided once, when it begins to: as the configuration says, or by what the Kubernetes cluster has.
// After that it stays.

var methodPath = path.Root("backup").AtName("method")

// missingMethodError is a method of taking backups that the Kubernetes cluster does not have.
type missingMethodError struct {
	method cnpg.Method // "" where any would do, and there is none
	plugin bool        // whether the plugin is installed
}

func (e *missingMethodError) Error() string {
	const inTree, plugin = "its CloudNativePG has no support of its own for barman any more", "the Barman Cloud plugin is not installed"
	switch e.method {
	case cnpg.MethodInTree:
		return fmt.Sprintf("the method %q is not there in this Kubernetes cluster: %s", e.method, inTree)
	case cnpg.MethodPlugin:
		return fmt.Sprintf("the method %q is not there in this Kubernetes cluster: %s", e.method, plugin)
	}
	return fmt.Sprintf("nothing in this Kubernetes cluster takes backups: %s, and %s", inTree, plugin)
}

// remedy is what to do about it.
func (e *missingMethodError) remedy() string {
	switch {
	case e.plugin:
		return usePlugin
	case e.method == cnpg.MethodInTree:
		return paragraphs(installPlugin, usePlugin)
	}
	return installPlugin
}

const (
	usePlugin     = `Set backup.method = "plugin". The Barman Cloud plugin archives to the same folders, and restores what was archived before it.`
	installPlugin = "Have CloudNativePG's Barman Cloud plugin installed in the namespace of the operator, beside cert-manager, which it needs: with Helm\n\n" +
		"  helm upgrade --install plugin-barman-cloud plugin-barman-cloud --repo https://cloudnative-pg.github.io/charts --namespace cnpg-system\n\n" +
		"or with kubectl apply of the manifest of its release, as https://cloudnative-pg.io/plugin-barman-cloud/docs/installation/ has it."
)

// unknownPluginRemedy is what to do where CNPG knows no Barman Cloud plugin, although the kinds are there that it brings.
func unknownPluginRemedy(unknown *cnpg.UnknownPluginError) string {
	const meaning = "The Barman Cloud plugin is not installed in this Kubernetes cluster, or CloudNativePG has not found it. That the kind ObjectStore is there does not tell: " +
		"it stays behind when the plugin is removed. Until it is back, CloudNativePG does nothing for the Cluster, not even a failover."
	const named, inTree = "The database was restored, and its Cluster names the plugin for the archive that it was restored from", "As long as CloudNativePG has its own support for barman (up to 1.30), "
	instead := inTree + `backup.method = "barmanObjectStore" does without the plugin.`
	switch unknown.Way {
	case cnpg.ByUpdate:
		instead = named + ". The next apply names that archive without the plugin."
	case cnpg.ByBackup:
		instead = named + `. The method alone does not help a database that archives nowhere. ` + inTree + `backups that are turned on with backup.method = "barmanObjectStore" do: by that the archive is named without the plugin.`
	case cnpg.NoWay:
		instead = named + ", where the provider cannot name it in another way: another backup.method would not help."
	case cnpg.ByMethod:
	}
	return paragraphs(meaning, "See that its Service and its pod are in the namespace of the operator. Where they are not: "+installPlugin, instead)
}

// warnUnknownPlugin tells of a database for which CNPG does nothing for want of the plugin.
func warnUnknownPlugin(cluster *cnpgv1.Cluster, diags *diag.Diagnostics) {
	if unknown := cnpg.UnknownPlugin(cluster); unknown != nil {
		diags.AddAttributeWarning(methodPath, "Barman Cloud Plugin Not Found", paragraphs(sentence(unknown), unknownPluginRemedy(unknown)))
	}
}

// aboutMethod tells whether an error is about how a database archives.
func aboutMethod(err error) bool {
	var missing *missingMethodError
	var undeclared *cnpg.UndeclaredFieldError
	var unknown *cnpg.UnknownPluginError
	return errors.As(err, &missing) || errors.As(err, &unknown) || errors.Is(err, cnpg.ErrNotTold) ||
		errors.As(err, &undeclared) && strings.HasSuffix(undeclared.Field, ".barmanObjectStore")
}

// methodRemedy is what to do about an error about how a database archives.
func methodRemedy(err error) string {
	var missing *missingMethodError
	var unknown *cnpg.UnknownPluginError
	switch {
	case errors.As(err, &unknown):
		return unknownPluginRemedy(unknown)
	case errors.As(err, &missing):
	case errors.Is(err, cnpg.ErrForbidden):
		return "Let the credentials do that, or set backup.method to what is installed."
	case errors.Is(err, cnpg.ErrNotTold):
		return ""
	default: // CNPG had the field when the method was chosen
		missing = &missingMethodError{method: cnpg.MethodInTree}
		return paragraphs("CloudNativePG in this Kubernetes cluster has no support of its own for barman any more.", missing.remedy())
	}
	return missing.remedy()
}

// chooseMethod is the method for a database that nothing is configured for: CNPG's own support for barman where that is still there,
// else the plugin.
func chooseMethod(ctx context.Context, client *cnpg.Client, namespace string) (cnpg.Method, error) {
	for _, method := range []cnpg.Method{cnpg.MethodInTree, cnpg.MethodPlugin} {
		switch installed, err := client.Installed(ctx, method, namespace); {
		case err != nil:
			return "", err
		case installed:
			return method, nil
		}
	}
	return "", &missingMethodError{}
}

// requireMethod is a [missingMethodError] where a method is not there. Where that cannot be told it counts as there: whoever asks for it
// may know better.
func requireMethod(ctx context.Context, client *cnpg.Client, method cnpg.Method, namespace string) error {
	installed, err := client.Installed(ctx, method, namespace)
	if installed || errors.Is(err, cnpg.ErrNotTold) {
		return nil
	}
	if err != nil {
		return err
	}
	missing := &missingMethodError{method: method}
	if method == cnpg.MethodInTree {
		missing.plugin, _ = client.Installed(ctx, cnpg.MethodPlugin, namespace) // it only tells what to do
	}
	return missing
}

// methodFor is the method that is asked for, which must be there, or one that is there where none is.
func methodFor(ctx context.Context, client *cnpg.Client, asked types.String, namespace string) (cnpg.Method, error) {
	method := cnpg.Method(asked.ValueString())
	if method == "" {
		return chooseMethod(ctx, client, namespace)
	}
	return method, requireMethod(ctx, client, method, namespace)
}

// method plans how the database archives. Only one that is not there is an error now; what the API server does not tell yet the apply
// asks again, before it makes anything.
func (p *archivePlanner) method(ctx context.Context) {
	if p.backup == nil {
		return
	}
	var kept types.String
	if p.state != nil {
		kept, _ = p.state.Backup.Attributes()["method"].(types.String)
	}
	unused := p.isOff() && !p.recovers
	open := p.backup.Method.IsUnknown() && p.configured.Method.IsNull()
	if open && (!kept.IsNull() || p.state != nil && unused) {
		p.backup.Method, open = kept, false
	}
	switch {
	case !open && (unused || p.backup.Method.IsUnknown()): // nobody uses it, or another resource decides
		return
	case p.archives() && p.backup.Method.Equal(kept), !known(p.plan.Namespace):
		return
	}
	client, err := p.backend.kubernetesClient(ctx)
	if err != nil {
		return // whatever else is asked of Kubernetes tells
	}
	method, err := methodFor(ctx, client, p.backup.Method, p.plan.Namespace.ValueString())
	var missing *missingMethodError
	switch {
	case err == nil:
		p.backup.Method = types.StringValue(string(method))
	case !errors.As(err, &missing):
	case unused:
		p.backup.Method = types.StringNull()
	default:
		addFailure(p.diags, "Backup Method Not Available", err, "Nothing was changed.")
	}
}

// changeMethod plans that a database which archives does so by another method: that is refused where another manager states the one
// that it has. What cannot be asked now the apply asks.
func (p *archivePlanner) changeMethod(ctx context.Context) {
	if !p.archives() || !known(p.backup.Method) || p.backup.Method.Equal(archivePart(p.state, "method")) || p.diags.HasError() {
		return
	}
	live := p.standing(ctx)
	if live == nil || !changesMethod(live, p.backup) || p.plan.ForceConflicts.ValueBool() {
		return
	}
	if err := cnpg.MayChangeMethod(live); err != nil {
		addFailure(p.diags, "Backup Method Cannot Change", err, "Nothing was changed.")
	}
}

// warnRestart: CNPG makes the pods of a living database anew where they get the plugin's container, or lose it.
func (p *archivePlanner) warnRestart(ctx context.Context) {
	if p.state == nil || p.backup != nil && (p.backup.Enabled.IsUnknown() || p.backup.enabled() && p.backup.Method.IsUnknown()) || p.diags.HasError() {
		return
	}
	gets := p.backup.enabled() && p.backup.method() == cnpg.MethodPlugin
	if gets == (archivePart(p.state, "method").ValueString() == string(cnpg.MethodPlugin)) {
		return
	}
	live := p.standing(ctx)
	if live != nil && (cnpg.Hibernates(live) || gets == (cnpg.Archives(live) && cnpg.MethodOf(live) == cnpg.MethodPlugin)) {
		return // it has no pods, or they are as they should be
	}
	change := "lose"
	if gets {
		change = "get"
	}
	p.diags.AddAttributeWarning(path.Root("backup"), "Pods Are Restarted", fmt.Sprintf(
		"The pods of %s %s the container of the Barman Cloud plugin, and CloudNativePG restarts them for that: %s", p.state.key(), change, restartOf(live, gets)))
}

// restartOf says how CNPG restarts the pods of a Cluster that get the plugin's container, or lose it: as whoever keeps the Cluster has
// chosen, which no attribute does. live is nil where that cannot be asked now.
func restartOf(live *cnpgv1.Cluster, gets bool) string {
	const inPlace = "the replicas first, then the primary, where it stands and without a switchover. Clients lose their connections, and cannot write until it is back."
	switch {
	case live == nil || live.Spec.Instances < 2:
	case live.Spec.PrimaryUpdateStrategy == cnpgv1.PrimaryUpdateStrategySupervised:
		text := "the replicas first. The primary it leaves to you, and an apply that waits for it ends with the phase \"" + cnpgv1.PhaseWaitingForUser + "\"."
		if gets {
			text += " PostgreSQL keeps its WAL until the primary is restarted, and archives none of it."
		}
		return paragraphs(text, supervised(cnpg.KeyOf(live)))
	case live.Spec.PrimaryUpdateMethod == cnpgv1.PrimaryUpdateMethodSwitchover && !gets: // a primary that archives nothing cannot step down
		return "the replicas first, then the primary, after a switchover to one of them (spec.primaryUpdateMethod of the Cluster). Clients lose their connections, and cannot write until that is done."
	}
	return inPlace
}

// supervised is what to do where CNPG leaves the restart of a primary to a person.
func supervised(key cnpg.Key) string {
	return fmt.Sprintf("spec.primaryUpdateStrategy of the Cluster is \"supervised\", which the provider leaves as it is. To have CloudNativePG restart the primary itself:\n\n"+
		"  kubectl patch cluster %s --namespace %s --type merge --patch '{\"spec\":{\"primaryUpdateStrategy\":\"unsupervised\"}}'\n\n"+
		"A switchover by hand restarts it too (kubectl cnpg promote), but not while the primary lacks the container of the Barman Cloud plugin by which it is to archive: "+
		"a primary steps down only when all of its WAL is archived. Apply again then, and what is still to be done is done.", key.Name, key.Namespace)
}

// isOff tells whether it is known that the database does not archive.
func (p *archivePlanner) isOff() bool { return p.backup.Enabled.Equal(types.BoolValue(false)) }

// settleMethod decides how a database archives where the plan left that open, and makes sure that the method is there where an archive
// begins. live is the Cluster as it stands, nil for one that is to be made.
func (m *databaseModel) settleMethod(ctx context.Context, client *cnpg.Client, live *cnpgv1.Cluster, diags *diag.Diagnostics) error {
	backup := m.backup(ctx, diags)
	if backup == nil || !backup.enabled() && !backup.Method.IsUnknown() ||
		live != nil && cnpg.Archiver(live) != nil && backup.Method.ValueString() == string(cnpg.MethodOf(live)) {
		return nil
	}
	method, err := methodFor(ctx, client, backup.Method, m.Namespace.ValueString())
	if err != nil && backup.enabled() {
		return err
	}
	m.decideMethod(ctx, method, diags)
	return nil
}

// method is the one that is planned; unknown while that is open.
func (m *databaseModel) method(ctx context.Context, diags *diag.Diagnostics) types.String {
	if backup := m.backup(ctx, diags); backup != nil {
		return backup.Method
	}
	return types.StringUnknown()
}

// decideMethod is the method of a database for which the plan left it open; "" for none.
func (m *databaseModel) decideMethod(ctx context.Context, method cnpg.Method, diags *diag.Diagnostics) {
	if backup := m.backup(ctx, diags); backup != nil && backup.Method.IsUnknown() {
		backup.Method = nullIfEmpty(string(method))
		m.Backup = backup.object()
	}
}
