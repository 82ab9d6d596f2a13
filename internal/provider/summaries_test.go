package provider

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// summariesIn are the diagnostics that the Go files of a folder can give, each as Terraform prints its first line, such as
// "Error: Restore Cannot Succeed".
func summariesIn(t *testing.T, folder string) []string {
	t.Helper()
	s := readSources(t, folder)
	for _, file := range s.files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if kind, at := gives(call); kind != "" {
				for summary := range s.texts(t, call.Args[at]) {
					if summary != "" {
						s.found[kind+": "+summary] = true
					}
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(s.found))
}

// gives tells what kind of diagnostic a call gives, "Error" or "Warning", and which argument its summary is; "" for other calls.
func gives(call *ast.CallExpr) (kind string, summary int) {
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", 0
	}
	name, made := strings.CutSuffix(strings.TrimPrefix(function.Sel.Name, "New"), "Diagnostic")
	if !made {
		if name, made = strings.CutPrefix(name, "Add"); !made {
			return "", 0
		}
	}
	name, attribute := strings.CutPrefix(name, "Attribute")
	if name != "Error" && name != "Warning" || len(call.Args) < 2 {
		return "", 0
	}
	if attribute {
		summary = 1
	}
	return name, summary
}

// sources are the Go files of a package without its tests, and what the names in them stand for. What comes from other packages
// stays untyped: no summary does.
type sources struct {
	folder string
	set    *token.FileSet
	files  []*ast.File
	info   *types.Info
	found  map[string]bool
	asked  map[types.Object]bool // whose values are being looked for
}

func readSources(t *testing.T, folder string) *sources {
	t.Helper()
	s := &sources{
		folder: folder, set: token.NewFileSet(), found: map[string]bool{}, asked: map[types.Object]bool{},
		info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}},
	}
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(s.set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, file)
	}
	config := types.Config{Importer: noPackages{}, Error: func(error) {}}
	_, _ = config.Check(folder, s.set, s.files, s.info) // what is of other packages is not found, which is an error
	return s
}

// noPackages imports every package as an empty one.
type noPackages struct{}

func (noPackages) Import(path string) (*types.Package, error) {
	empty := types.NewPackage(path, filepath.Base(path))
	empty.MarkComplete()
	return empty, nil
}

// texts are the texts that an expression can have. One that cannot be told fails the test, since a diagnostic would be missed.
func (s *sources) texts(t *testing.T, of ast.Expr) map[string]bool {
	t.Helper()
	if value := s.info.Types[of].Value; value != nil && value.Kind() == constant.String {
		return map[string]bool{constant.StringVal(value): true}
	}
	all := map[string]bool{}
	switch of := of.(type) {
	case *ast.ParenExpr:
		return s.texts(t, of.X)
	case *ast.BinaryExpr:
		for left := range s.texts(t, of.X) {
			for right := range s.texts(t, of.Y) {
				all[left+right] = true
			}
		}
		return all
	case *ast.IndexExpr: // of a table
		values := s.table(t, of.X)
		for key := range s.texts(t, of.Index) {
			all[values[key]] = true
		}
		return all
	case *ast.Ident:
		return s.valuesOf(t, s.object(of))
	case *ast.SelectorExpr:
		return s.valuesOf(t, s.info.Uses[of.Sel])
	}
	t.Fatalf("%s: no summary can be read from this %T", s.set.Position(of.Pos()), of)
	return nil
}

func (s *sources) object(name *ast.Ident) types.Object {
	if object := s.info.Uses[name]; object != nil {
		return object
	}
	return s.info.Defs[name]
}

// table is a variable of the package that is a map of texts.
func (s *sources) table(t *testing.T, of ast.Expr) map[string]string {
	t.Helper()
	name, ok := of.(*ast.Ident)
	if !ok {
		t.Fatalf("%s: this is no table of the package", s.set.Position(of.Pos()))
	}
	table := map[string]string{}
	s.inspect(func(n ast.Node) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || s.info.Defs[spec.Names[0]] != s.info.Uses[name] {
			return
		}
		literal, ok := spec.Values[0].(*ast.CompositeLit)
		if !ok {
			return
		}
		for _, element := range literal.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				table[s.constant(pair.Key)] = s.constant(pair.Value)
			}
		}
	})
	return table
}

func (s *sources) constant(of ast.Expr) string {
	if value := s.info.Types[of].Value; value != nil && value.Kind() == constant.String {
		return constant.StringVal(value)
	}
	return ""
}

func (s *sources) inspect(look func(ast.Node)) {
	for _, file := range s.files {
		ast.Inspect(file, func(n ast.Node) bool {
			look(n)
			return true
		})
	}
}

// valuesOf are the texts that a variable, a parameter or a field of a struct is given anywhere.
func (s *sources) valuesOf(t *testing.T, object types.Object) map[string]bool {
	t.Helper()
	if object == nil {
		t.Fatal("a summary has a name that stands for nothing in the package")
	}
	all := map[string]bool{}
	if s.asked[object] { // a function that calls itself
		return all
	}
	s.asked[object] = true
	defer delete(s.asked, object)
	given := 0
	add := func(value ast.Expr) {
		given++
		maps.Copy(all, s.texts(t, value))
	}
	s.inspect(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.KeyValueExpr: // a field
			if key, ok := n.Key.(*ast.Ident); ok && s.info.Uses[key] == object {
				add(n.Value)
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				name, ok := left.(*ast.Ident)
				if !ok || s.object(name) != object {
					continue
				}
				if len(n.Rhs) == len(n.Lhs) {
					add(n.Rhs[i])
					continue
				}
				for _, result := range s.results(n.Rhs[0], i) {
					add(result)
				}
			}
		case *ast.CallExpr:
			if i, ok := s.parameter(s.called(n), object); ok {
				add(n.Args[i])
			}
		}
	})
	if given == 0 {
		t.Fatalf("%s: nobody gives %s a value", s.set.Position(object.Pos()), object.Name())
	}
	return all
}

// called is the function of the package that a call calls; nil for others.
func (s *sources) called(call *ast.CallExpr) types.Object {
	switch function := call.Fun.(type) {
	case *ast.Ident:
		return s.info.Uses[function]
	case *ast.SelectorExpr:
		return s.info.Uses[function.Sel]
	}
	return nil
}

// parameter tells which parameter of a function a variable is.
func (s *sources) parameter(function, variable types.Object) (int, bool) {
	if f, ok := function.(*types.Func); ok {
		for i := range f.Signature().Params().Len() {
			if f.Signature().Params().At(i) == variable {
				return i, true
			}
		}
	}
	return 0, false
}

// results are what a function of the package returns in one place of several.
func (s *sources) results(call ast.Expr, place int) []ast.Expr {
	var all []ast.Expr
	c, ok := call.(*ast.CallExpr)
	if !ok {
		return nil
	}
	s.inspect(func(n ast.Node) {
		function, ok := n.(*ast.FuncDecl)
		if !ok || s.info.Defs[function.Name] != s.called(c) {
			return
		}
		ast.Inspect(function.Body, func(n ast.Node) bool {
			if end, ok := n.(*ast.ReturnStmt); ok && place < len(end.Results) {
				all = append(all, end.Results[place])
			}
			return true
		})
	})
	return all
}
