package provider_test

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A page is read as its readers do: its blocks are one configuration that grows. A block that declares again what an
// earlier one has declared, or that moves or removes it, takes its place: what there was until then is planned first. A
// comment in a line of its own, <!-- alone -->, makes the block after it a configuration of its own.

// page is a document, or a folder of examples, whose files are its fences.
type page struct {
	name   string
	code   []code
	fences []fence
	yaml   []string // what the page's Kubernetes manifests declare exists
}

// code is what stands in a page between fences, in whatever language.
type code struct {
	language string
	text     string
	line     int    // in the page
	prose    string // what the page says from the code before it, or its begin, up to this
}

func (c code) shell() bool { return c.language == "sh" || c.language == "shell" }

// fence is a piece of HCL in a page.
type fence struct {
	page   string
	line   int    // in the page
	about  string // the paragraph just above it
	text   string
	alone  bool
	blocks []block
}

// block is a block of HCL at the top level.
type block struct {
	*hclsyntax.Block
	text   string
	remark *remark
}

var (
	fencePattern  = regexp.MustCompile("(?ms)^( *)```([^\n]*)\n(.*?)^ *```")
	fenceLine     = regexp.MustCompile("(?m)^ *```")
	marker        = regexp.MustCompile(`<!-- alone -->\s*\z`)
	configuration = regexp.MustCompile(`(?m)^(resource|provider|data|module|import|moved|removed|ephemeral) ("[^"]*" )*\{`)
)

// pageNamed reads a page of the repository, and gives its text too.
func pageNamed(t *testing.T, name string) (*page, string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	must(t, err)
	p, err := readPage(name, string(text))
	must(t, err)
	return p, string(text)
}

func readPage(name, text string) (*page, error) {
	if len(fenceLine.FindAllString(text, -1))%2 != 0 {
		return nil, fmt.Errorf("%s: a block is not closed", name)
	}
	p := &page{name: name, code: codeIn(text)}
	for _, c := range p.code {
		switch {
		case c.language == "hcl", c.language == "terraform":
			f := fence{page: name, line: c.line, about: lastParagraph(c.prose), text: c.text, alone: marker.MatchString(c.prose)}
			if err := f.parse(); err != nil {
				return nil, err
			}
			p.fences = append(p.fences, f)
		case c.language == "yaml":
			p.yaml = append(p.yaml, c.text)
		case !c.shell() && configuration.MatchString(c.text):
			return nil, fmt.Errorf("%s, line %d: the language of a block of HCL is hcl or terraform, not %q", name, c.line, c.language)
		}
	}
	return p, nil
}

// codeIn is the code of a page, without the indentation of the list that it may stand in.
func codeIn(text string) []code {
	var all []code
	end := 0
	for _, at := range fencePattern.FindAllStringSubmatchIndex(text, -1) {
		all = append(all, code{
			language: text[at[4]:at[5]],
			text:     strings.ReplaceAll("\n"+text[at[6]:at[7]], "\n"+text[at[2]:at[3]], "\n")[1:],
			line:     strings.Count(text[:at[6]], "\n") + 1,
			prose:    text[end:at[0]],
		})
		end = at[1]
	}
	return all
}

// readFolder reads the files of a folder, those that take the place of others last.
func readFolder(name string) (*page, error) {
	files, err := filepath.Glob(filepath.Join(root, name, "*.tf"))
	if err != nil {
		return nil, err
	}
	p := &page{name: name}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		f := fence{page: filepath.Join(name, filepath.Base(file)), line: 1, text: string(text)}
		if err := f.parse(); err != nil {
			return nil, err
		}
		p.fences = append(p.fences, f)
	}
	slices.SortStableFunc(p.fences, func(a, b fence) int { return len(a.replaced()) - len(b.replaced()) })
	return p, nil
}

func (f *fence) parse() error {
	file, diags := hclsyntax.ParseConfig([]byte(f.text), f.page, hcl.Pos{Line: f.line, Column: 1})
	if diags.HasErrors() {
		return fmt.Errorf("%s, line %d: %w", f.page, f.line, diags)
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok || len(body.Attributes) > 0 {
		return fmt.Errorf("%s, line %d: not a whole configuration", f.page, f.line)
	}
	said := remarkIn(f.about+"\n"+f.text, f.page, f.line)
	for _, b := range body.Blocks {
		f.blocks = append(f.blocks, block{b, f.text[b.Range().Start.Byte:b.Range().End.Byte], said})
	}
	return nil
}

// key is what a block declares, which nothing else may; "" for what there may be many of.
func (b block) key() string {
	switch b.Type {
	case "locals", "moved", "removed":
		return ""
	case "import":
		return "import " + traversal(b.Body.Attributes["to"])
	case "provider":
		if alias := b.Body.Attributes["alias"]; alias != nil {
			return "provider " + b.Labels[0] + "." + literal(alias)
		}
	case "resource":
		return strings.Join(b.Labels, ".")
	}
	return strings.Join(append([]string{b.Type}, b.Labels...), ".")
}

// replaced are the addresses that the blocks of a fence move or remove.
func (f fence) replaced() []string {
	var addresses []string
	for _, b := range f.blocks {
		if b.Type == "moved" || b.Type == "removed" {
			addresses = append(addresses, traversal(b.Body.Attributes["from"]))
		}
	}
	return addresses
}

func traversal(a *hclsyntax.Attribute) string {
	if a == nil {
		return ""
	}
	found, _ := hcl.AbsTraversalForExpr(a.Expr) // another expression has no address
	var names []string
	for _, step := range found {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			names = append(names, step.Name)
		case hcl.TraverseAttr:
			names = append(names, step.Name)
		}
	}
	return strings.Join(names, ".")
}

// literal is the value of an attribute that is a string without references; "" of any other.
func literal(a *hclsyntax.Attribute) string { return evaluated(a, nil) }

func evaluated(a *hclsyntax.Attribute, variables *hcl.EvalContext) string {
	if a == nil {
		return ""
	}
	value, diags := a.Expr.Value(variables)
	if diags.HasErrors() || !value.IsWhollyKnown() || value.IsNull() || value.Type() != cty.String {
		return ""
	}
	return value.AsString()
}

// pageConfig is a configuration of a page.
type pageConfig struct {
	blocks []block
}

func (s *pageConfig) text() string {
	var texts []string
	for _, b := range s.blocks {
		texts = append(texts, b.text)
	}
	return strings.Join(texts, "\n\n") + "\n"
}

// configs are the configurations that a page leads through.
func (p *page) configs() []*pageConfig {
	var stages []*pageConfig
	now := &pageConfig{}
	for _, f := range p.fences {
		if f.alone {
			stages = append(stages, &pageConfig{blocks: f.blocks})
			continue
		}
		next := now.without(f)
		if len(next.blocks) < len(now.blocks) {
			stages = append(stages, now)
		}
		next.blocks = append(next.blocks, f.blocks...)
		now = next
	}
	if len(now.blocks) > 0 {
		stages = append(stages, now)
	}
	return stages
}

// without leaves out what a fence declares again, moves or removes.
func (s *pageConfig) without(f fence) *pageConfig {
	gone := f.replaced()
	for _, b := range f.blocks {
		gone = append(gone, b.key())
	}
	return &pageConfig{blocks: slices.DeleteFunc(slices.Clone(s.blocks), func(b block) bool {
		return b.key() != "" && (slices.Contains(gone, b.key()) || slices.Contains(f.replaced(), strings.TrimPrefix(b.key(), "import ")))
	})}
}

// exampleBlocks are what examples/provider and examples/resources declare: what a page refers to and does not declare is
// taken from there.
func exampleBlocks(t *testing.T) map[string]block {
	t.Helper()
	blocks := map[string]block{}
	for _, pattern := range []string{"provider", "resources/*"} {
		folders, err := filepath.Glob(filepath.Join(root, "examples", pattern))
		must(t, err)
		for _, folder := range folders {
			name, err := filepath.Rel(root, folder)
			must(t, err)
			p, err := readFolder(name)
			must(t, err)
			for _, f := range p.fences {
				for _, b := range f.blocks {
					if b.key() != "" && b.Type != "import" {
						blocks[b.key()] = b
					}
				}
			}
		}
	}
	return blocks
}

// complete adds what the configuration refers to and does not declare. A database that it does not declare exists already.
func (s *pageConfig) complete(examples map[string]block) {
	declared := map[string]bool{}
	for _, b := range s.blocks {
		declared[b.key()] = true
	}
	add := func(key string) {
		if b, found := examples[key]; found && !declared[key] {
			declared[key] = true
			s.blocks = append(s.blocks, b)
			if b.Type == "resource" && b.Labels[0] == "pgplatform_database" && !declared["import "+key] {
				s.blocks = append(s.blocks, mustBlock(fmt.Sprintf("import {\n  to = %s\n  id = %q\n}", key, b.id())))
			}
		}
	}
	for i := 0; i < len(s.blocks); i++ { // what was added refers to more
		for _, variable := range s.blocks[i].references() {
			add(variable)
		}
	}
	add("terraform")
	if !declared["provider.pgplatform"] {
		add("provider.pgplatform")
		add("variable.s3_access_key_id")
		add("variable.s3_secret_access_key")
	}
	if !slices.ContainsFunc(s.blocks, func(b block) bool {
		return (b.Type == "resource" || b.Type == "data") && strings.HasPrefix(b.Labels[0], "pgplatform_")
	}) {
		// The CLI looks at the configuration of a provider only where something uses it.
		s.blocks = append(s.blocks, mustBlock("resource \"pgplatform_database\" \"of_the_tests\" {\n  name = \"of-the-tests\"\n}"))
	}
}

func mustBlock(text string) block {
	f := fence{page: "a block of the tests", line: 1, text: text}
	if err := f.parse(); err != nil {
		panic(err)
	}
	return f.blocks[0]
}

// references are the addresses of resources that a block names.
func (b block) references() []string {
	var addresses []string
	if b.Type == "moved" || b.Type == "removed" {
		return nil
	}
	for _, a := range b.Body.Attributes {
		for _, found := range a.Expr.Variables() {
			if len(found) < 2 || !strings.HasPrefix(found.RootName(), "pgplatform_") {
				continue
			}
			if step, ok := found[1].(hcl.TraverseAttr); ok {
				addresses = append(addresses, found.RootName()+"."+step.Name)
			}
		}
	}
	return addresses
}

// id is the one that a resource with a name of its own gets.
func (b block) id() string {
	namespace := literal(b.Body.Attributes["namespace"])
	if namespace == "" {
		namespace = "default"
	}
	return namespace + "/" + literal(b.Body.Attributes["name"])
}

// givenValues are those of variables without a default; another string has its own name.
var givenValues = map[string]string{
	"before":           "2026-03-26T12:00:06.999999Z",
	"destination_path": "s3://given/pg",
	"mistake":          "2026-03-26T12:00:06.999999Z",
	"target_time":      "2026-03-26T12:00:06.999999Z",
}

// givenCertificate is any authority's, PEM.
var givenCertificate = sync.OnceValue(func() string {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
})

// given are the values of the variables that have no default.
func (s *pageConfig) given() map[string]any {
	values := map[string]any{}
	for _, b := range s.blocks {
		if b.Type != "variable" || b.Body.Attributes["default"] != nil {
			continue
		}
		kind := cty.String
		if a := b.Body.Attributes["type"]; a != nil {
			kind, _ = typeexpr.TypeConstraint(a.Expr) // validate says what is wrong with it
		}
		values[b.Labels[0]] = givenValue(b.Labels[0], kind)
	}
	return values
}

func givenValue(name string, kind cty.Type) any {
	switch {
	case kind == cty.Bool:
		return true
	case kind == cty.Number:
		return 1
	case kind.IsObjectType():
		object := map[string]any{}
		for attribute, t := range kind.AttributeTypes() {
			object[attribute] = givenValue(attribute, t)
		}
		return object
	case kind.IsMapType():
		return map[string]any{}
	case kind.IsListType(), kind.IsSetType(), kind.IsTupleType():
		return []any{}
	case givenValues[name] != "":
		return givenValues[name]
	case name == "kube_ca":
		return givenCertificate()
	case strings.HasSuffix(name, "_url"):
		return "https://given.example.com"
	case strings.HasSuffix(name, "_arn"):
		return "arn:aws:iam::123456789012:role/given"
	}
	return strings.ReplaceAll(name, "_", "-")
}
