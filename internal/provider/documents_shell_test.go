package provider_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
)

// What the documents have people type in a shell is looked at without running it: bash takes it, the CLI has the sub-commands and flags,
// and what it names is on the same page. The pages that can be followed are, in guides_acc_test.go.
func TestDocumentsShell(t *testing.T) {
	t.Parallel()
	must(t, findCLI())
	commands := 0
	for _, name := range pageNames(t) {
		p, text := pageNamed(t, name)
		// The page of an example is about the configuration beside it.
		beside, err := readFolder(path.Dir(name))
		must(t, err)
		p.fences = append(p.fences, beside.fences...)
		commands += len(p.terraform(text))
		for _, problem := range p.shellProblems(t, text) {
			t.Error(problem)
		}
	}
	if commands < 50 {
		t.Errorf("there are no more than %d commands of Terraform: this test looks at nothing", commands)
	}
}

var (
	// terraformCommand is one in a line of a shell, up to what the shell does with it.
	terraformCommand = regexp.MustCompile(`(?m)(?:^|[;&|(])[ \t]*(?:\w+=\S*[ \t]+)*terraform ([^|;&<>)\n]+)`)
	shellComment     = regexp.MustCompile(`(^|\s)#.*`)
	inProse          = regexp.MustCompile("`(terraform [a-z][^`\n]*)`")
	resourceAddress  = regexp.MustCompile(`^((?:data\.)?[a-z]+_[a-z_]+)\.(\w+)$`)
	placeholder      = regexp.MustCompile(`^[A-Z_]+$`)
	hereDocument     = regexp.MustCompile(`(?ms)<<-?'?(\w+)'?[^\n]*\n(.*?)^\s*(\w+)$`)
	flagInHelp       = regexp.MustCompile(`(?m)^ +(-[a-z][a-z-]*)`)
	givenVariable    = regexp.MustCompile(`\bTF_VAR_(\w+)`)
	kubectlNamespace = regexp.MustCompile(`(?:-n|--namespace)[ =]([\w-]+)`)
	kubectlContainer = regexp.MustCompile(`kubectl exec [^|\n]*?(?:-c|--container)[ =]([\w-]+)`)
	kubectlPod       = regexp.MustCompile(`kubectl exec [^|\n]*?\s([a-z][a-z0-9-]*)-1\s`)
	declaredName     = regexp.MustCompile(`\bname\s*[:=]\s*"?([a-z][a-z0-9-]*)`)
)

// namespacesOfOthers are those of the operator and of LocalStack, which no configuration names.
var namespacesOfOthers = []string{"cnpg-system", "localstack"}

// shellProblems are what is wrong with what a page has people type.
func (p *page) shellProblems(t *testing.T, text string) []string {
	t.Helper()
	var found []string
	said := fencePattern.ReplaceAllString(text, "")
	for _, c := range p.code {
		if !c.shell() {
			said += c.text
		}
	}
	for _, c := range p.code {
		if !c.shell() {
			continue
		}
		problem := func(format string, args ...any) {
			found = append(found, fmt.Sprintf("%s, line %d: %s in\n%s", p.name, c.line, fmt.Sprintf(format, args...), c.text))
		}
		check := exec.CommandContext(t.Context(), "bash", "-n")
		check.Stdin = strings.NewReader(c.text)
		if output, err := check.CombinedOutput(); err != nil || len(output) > 0 { // of a document that does not end bash only warns
			problem("bash says %q", output)
		}
		for _, document := range hereDocument.FindAllStringSubmatch(c.text, -1) {
			if err := manifestProblem(document[2]); err != nil {
				problem("%v", err)
			}
		}
		for _, given := range givenVariable.FindAllStringSubmatch(c.text, -1) {
			if !p.declares("variable." + given[1]) {
				problem("the page has no variable %s", given[1])
			}
		}
		for _, named := range kubectlNamespace.FindAllStringSubmatch(c.text, -1) {
			if !slices.Contains(namespacesOfOthers, named[1]) && !regexp.MustCompile(`\b`+named[1]+`\b`).MatchString(said) {
				problem("the page has no namespace %s", named[1])
			}
		}
		for _, named := range kubectlContainer.FindAllStringSubmatch(c.text, -1) {
			if named[1] != "postgres" {
				problem("a database has no container %s", named[1])
			}
		}
		for _, named := range kubectlPod.FindAllStringSubmatch(c.text, -1) {
			if !slices.ContainsFunc(declaredName.FindAllStringSubmatch(p.hcl(), -1), func(n []string) bool { return n[1] == named[1] }) {
				problem("the page has no database %s", named[1])
			}
		}
	}
	for _, command := range p.terraform(text) {
		if problem := p.commandProblem(t, command); problem != "" {
			found = append(found, fmt.Sprintf("%s: terraform %s: %s", p.name, strings.Join(command, " "), problem))
		}
	}
	return found
}

func (p *page) hcl() string {
	var text strings.Builder
	for _, f := range p.fences {
		text.WriteString(f.text)
	}
	return text.String()
}

func (p *page) declares(key string) bool {
	return slices.ContainsFunc(p.fences, func(f fence) bool {
		return slices.ContainsFunc(f.blocks, func(b block) bool { return b.key() == key })
	})
}

// terraform are the words of each command of Terraform on a page, in its shell blocks and in its prose.
func (p *page) terraform(text string) [][]string {
	lines := ""
	for _, c := range p.code {
		if c.shell() {
			lines += strings.ReplaceAll(hereDocument.ReplaceAllString(c.text, "\n"), "\\\n", " ")
		}
	}
	for _, found := range inProse.FindAllStringSubmatch(fencePattern.ReplaceAllString(text, ""), -1) {
		lines += found[1] + "\n"
	}
	var commands [][]string
	for _, found := range terraformCommand.FindAllStringSubmatch(lines, -1) {
		commands = append(commands, strings.Fields(shellComment.ReplaceAllString(found[1], "")))
	}
	return commands
}

// commandProblem is what the CLI would not take of a command, or what the page does not have of what it names.
func (p *page) commandProblem(t *testing.T, words []string) string {
	t.Helper()
	command, help := "", cliHelp(t, "")
	for i, word := range words {
		flag, value, _ := strings.Cut(word, "=")
		switch {
		case strings.HasPrefix(word, "-") && !slices.Contains(help.flags, flag):
			return "there is no flag " + flag
		case flag == "-target", flag == "-replace":
			if word = value; !resourceAddress.MatchString(word) {
				return fmt.Sprintf("%q is no address", word)
			}
		case flag == "-var" && value == "" && i+1 < len(words):
			if name, _, _ := strings.Cut(words[i+1], "="); !p.declares("variable." + name) {
				return "the page has no variable " + name
			}
		case !strings.HasPrefix(word, "-") && help.group:
			command = strings.TrimSpace(command + " " + word)
			if help = cliHelp(t, command); !help.known {
				return "there is no such command"
			}
		}
		if address := resourceAddress.FindStringSubmatch(word); address != nil && !placeholder.MatchString(address[2]) && !p.declares(word) {
			return "the page does not declare " + word
		}
	}
	if help.group {
		return "there is no command"
	}
	return ""
}

// commandHelp is what the CLI says of one of its commands.
type commandHelp struct {
	known bool
	group bool // of commands
	flags []string
}

var cliHelps sync.Map

// cliHelp asks the CLI, once for each command; "" is the CLI itself.
func cliHelp(t *testing.T, command string) commandHelp {
	t.Helper()
	if known, ok := cliHelps.Load(command); ok {
		if help, ok := known.(commandHelp); ok {
			return help
		}
	}
	words := strings.Fields(command)
	output, _ := documentCLI(t, os.Getenv("TF_ACC_TERRAFORM_PATH"), t.TempDir(), nil, append(slices.Clone(words), "-help")...) // the exit code says nothing
	usage, _, _ := strings.Cut(output, "\n")
	help := commandHelp{known: len(words) == 0 || strings.HasPrefix(usage, "Usage: ") && strings.Contains(usage, words[len(words)-1]), group: strings.Contains(usage, "<subcommand>")}
	for _, found := range flagInHelp.FindAllStringSubmatch(output, -1) {
		help.flags = append(help.flags, found[1])
	}
	if command == "apply" || command == "destroy" { // they take all that a plan does
		help.flags = append(help.flags, cliHelp(t, "plan").flags...)
	}
	cliHelps.Store(command, help)
	return help
}

// manifestProblem is what Kubernetes does not know of a document of manifests; kinds of others are theirs.
func manifestProblem(document string) error {
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for manifest := range strings.SplitSeq(document, "\n---\n") {
		if !strings.Contains(manifest, "apiVersion:") {
			continue
		}
		if _, _, err := strict.Decode([]byte(manifest), nil, nil); err != nil && !runtime.IsNotRegisteredError(err) {
			return err
		}
	}
	return nil
}

// What the test of the shell is for is refused by it.
func TestDocumentsShellThatIsWrong(t *testing.T) {
	t.Parallel()
	must(t, findCLI())
	const begin = "# A page\n\nOf `myorg`.\n\n```hcl\nvariable \"before\" {}\nresource \"pgplatform_restore\" \"pitr\" {\n  name = \"orders\"\n}\n```\n"
	for typed, want := range map[string]string{
		"terraform apply -target=pgplatform_restore.pitr":               "",
		"terraform apply -target=pgplatform_restore.pirt":               "does not declare pgplatform_restore.pirt",
		"terraform apply -target pgplatform_restore.pirt":               "is no address",
		"TF_LOG=info terraform apply -replace=pgplatform_database.pitr": "does not declare pgplatform_database.pitr",
		"terraform apply \\\n  -targets=pgplatform_restore.pitr":        "no flag -targets",
		"terraform state show pgplatform_restore.pitr | grep archive":   "",
		"terraform state show pgplatform_restore.pirt | grep archive":   "does not declare",
		"terraform state shown pgplatform_restore.pitr":                 "no such command",
		"terraform state":                                                "no command",
		"terraform aply":                                                 "no such command",
		"terraform -chdr=folder apply":                                   "no flag -chdr",
		"cd folder && terraform plan -out":                               "",
		"terraform apply tfplan -outt # or another":                      "no flag -outt",
		"terraform apply -var before=2001-01-01T00:00:00Z":               "",
		"terraform apply -var after=2001-01-01T00:00:00Z":                "no variable after",
		"export TF_VAR_before=a TF_VAR_after=b":                          "no variable after",
		"terraform untaint pgplatform_restore.NAME":                      "",
		"kubectl exec -n myorg orders-1 -c postgres -- psql":             "",
		"kubectl exec -n myogr orders-1 -c postgres -- psql":             "no namespace myogr",
		"kubectl exec -n myorg orders-1 -c postgresql -- psql":           "no container postgresql",
		"kubectl exec -n myorg order-1 -c postgres -- psql":              "no database order",
		"kubectl create token terraform --namespace myorg --duration 8h": "",
		"kubectl rollout status deployment --namespace cnpg-systems":     "no namespace cnpg-systems",
		"echo \"a":         "unexpected EOF",
		"if true; then":    "syntax error",
		"cat <<'EOF'\na\n": "here-document",
		"kubectl apply -f - <<'EOT'\nkind: Namespace\napiVersion: v1\nEOT":           "",
		"kubectl apply -f - <<'EOT'\nkind: Namespace\napiVersion: v1\nsepc: {}\nEOT": "sepc",
	} {
		text := begin + "\n```sh\n" + typed + "\n```\n"
		p, err := readPage("page.md", text)
		must(t, err)
		if got := strings.Join(p.shellProblems(t, text), "\n"); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s\n%q is not in\n%s", typed, want, got)
		}
	}
	text := begin + "\nThen `terraform untaint pgplatform_restore.pirt`, and `terraform {}` is none.\n"
	p, err := readPage("page.md", text)
	must(t, err)
	if got := p.shellProblems(t, text); len(got) != 1 || !strings.Contains(got[0], "pirt") {
		t.Errorf("of the prose: %q", got)
	}
}
