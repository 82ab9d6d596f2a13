package provider

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// sentence is an error as a text for people: it begins with a capital letter, unless with a name, and ends with a full stop.
func sentence(err error) string {
	text := ended(err)
	if word := firstWord.FindString(text); word != "" {
		text = strings.ToUpper(word[:1]) + text[1:]
	}
	return text
}

// ended is an error's text with a full stop, to follow a colon; of one about a missing right it says where the rights are.
func ended(err error) string {
	text := textOf(err)
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	if cnpg.MissingRight(err) {
		text = paragraphs(text, leastRole)
	}
	return text
}

// firstWord is a word of the language at the beginning of a text, and no name, such as of an attribute or an object.
var firstWord = regexp.MustCompile(`^[a-z]+ `)

// textOf is an error's text without what an address in it has in front of its host. Errors of Go's own packages, and of those of
// others, quote an address that they cannot use, such as HTTPS_PROXY, and with it the password.
func textOf(err error) string {
	return userInfo.ReplaceAllString(strings.TrimSpace(err.Error()), "$1[hidden]@")
}

var userInfo = regexp.MustCompile(`((?:https?|socks5h?|ftp)://)[^\s"'` + "`" + `]*@`)

// leastRole is where the rights are that the provider needs.
const leastRole = "The least role that works, with what each right is for, is in https://github.com/pgplatform/terraform-provider-pgplatform/tree/main/examples/rbac"

// sentenceAt is an error's text with the attribute that the error is about, since of nested attributes the CLI shows no line.
func sentenceAt(at path.Path, err error) string { return fmt.Sprintf("%s: %s", at, ended(err)) }

// importBlock is the block that takes a Cluster over, set off from the text around it.
func importBlock(resourceType string, key cnpg.Key) string {
	return fmt.Sprintf("  import {\n    to = %s.NAME\n    id = %q\n  }", resourceType, key)
}

// paragraphs joins the parts of a diagnostic's detail: cause, what the state holds, what to do next.
func paragraphs(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "\n\n")
}

// stateAfterCreate says what Terraform's state holds when a create fails after its object was made, and how to go on.
func stateAfterCreate(resourceType string, key cnpg.Key) string {
	return fmt.Sprintf("The Cluster %s exists and is recorded in Terraform's state, marked as tainted. Nothing is deleted without your word: "+
		"when the cause is mended, `terraform untaint %s.NAME` keeps the object, and the next apply goes on from there.", key, resourceType)
}

// alreadyExists is the detail of an error about an object that a create would meet. What the state has under another address
// an import would have Terraform destroy; after a create_before_destroy that failed, what it has as deposed too.
func alreadyExists(resourceType string, key cnpg.Key) string {
	return paragraphs(
		fmt.Sprintf("The Cluster %s exists already, and a create never takes over what exists. This tells under which address Terraform's state has it, if it does:\n\n  terraform state list -id=%s", key, key),
		fmt.Sprintf("If that is this resource, an earlier apply made the Cluster and failed afterwards. Keep it with:\n\n  terraform untaint %s.NAME", resourceType),
		fmt.Sprintf("If it is another address, since the resource was renamed or put into a module, do not import it: the Cluster would be destroyed under the other address. "+
			"Write this, or run terraform state mv:\n\n  moved {\n    from = OTHER_ADDRESS\n    to   = %s.NAME\n  }", resourceType),
		"If what is at the other address is to give way to this one, destroy it first, in an apply of its own.",
		fmt.Sprintf("If the plan calls it deposed (create_before_destroy cannot replace a database under its own name), first make Terraform forget it, "+
			"which changes nothing in Kubernetes, and then import it:\n\n  terraform state rm %s.NAME", resourceType),
		"If it is not in the state at all, import it:\n\n"+importBlock(resourceType, key),
		"Otherwise choose another name.",
	)
}

// collectWarnings makes the API server's warnings under the context come out of finish as Terraform's, each once per run of the
// provider: most are told apart by their texts, and that CNPG's own support for barman ends is one warning, whichever fields of
// whichever object it names.
func (b *backend) collectWarnings(ctx context.Context) (collecting context.Context, finish func(*diag.Diagnostics)) {
	var warnings cnpg.Warnings
	return cnpg.WithWarnings(ctx, &warnings), func(diags *diag.Diagnostics) {
		var without []string
		for _, text := range warnings.Without() {
			if _, told := b.warned.LoadOrStore(text, true); !told {
				without = append(without, text)
			}
		}
		if len(without) > 0 {
			diags.AddWarning("Done Without a Right", paragraphs(append(without, leastRole)...))
		}
		for _, text := range warnings.Texts() {
			what, advice := text, ""
			if cnpg.InTreeDeprecated(text) {
				what, advice = "in-tree", inTreeEnds
			}
			if _, told := b.warned.LoadOrStore(what, true); !told {
				diags.AddWarning("Warning of the Kubernetes API Server", paragraphs(text, advice))
			}
		}
	}
}

// inTreeEnds is what to do about CNPG's warning that its own support for barman ends.
const inTreeEnds = "This is said once for all databases of the run, and nothing fails because of it today. Before CloudNativePG is upgraded to that release, have its Barman Cloud plugin installed " +
	"(https://cloudnative-pg.io/plugin-barman-cloud/docs/installation/), and set backup.method = \"plugin\" for each database: it goes on in the same folder, and what was archived before can be restored as before. " +
	"What CloudNativePG itself says of the change: https://cloudnative-pg.io/plugin-barman-cloud/docs/migration/"
