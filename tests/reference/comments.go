package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const module = "github.com/pbsmflow/pbsmflow"

// comments finds the comments of types and fields in the sources below root.
type comments struct {
	root     string
	packages map[string]*doc.Package // by import path
	types    map[string]string       // what is written above a type, as Markdown, by its name in the schema
	faults   []error
}

func newComments(root string) *comments {
	return &comments{root: root, packages: map[string]*doc.Package{}, types: map[string]string{}}
}

// of is what is written above a type's field or behind it; above the type itself when field is empty.
func (c *comments) of(t reflect.Type, field string) string {
	within, ours := strings.CutPrefix(t.PkgPath(), module)
	if !ours {
		return ""
	}
	if c.packages[t.PkgPath()] == nil {
		found, err := read(filepath.Join(c.root, within), t.PkgPath())
		if err != nil {
			c.faults = append(c.faults, err)
			found = &doc.Package{}
		}
		c.packages[t.PkgPath()] = found
	}
	for _, one := range c.packages[t.PkgPath()].Types {
		if one.Name != t.Name() {
			continue
		}
		if field == "" {
			return one.Doc
		}
		return ofField(one.Decl, t.Name(), field)
	}
	return ""
}

func read(folder, path string) (*doc.Package, error) {
	sources, err := fs.Glob(os.DirFS(folder), "*.go")
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, filepath.Join(folder, name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	found, err := doc.NewFromFiles(set, files, path, doc.AllDecls)
	if err != nil {
		return nil, fmt.Errorf("comments of %s: %w", path, err)
	}
	return found, nil
}

func ofField(decl *ast.GenDecl, typeName, name string) (text string) {
	for _, spec := range decl.Specs {
		one, ok := spec.(*ast.TypeSpec)
		if !ok || one.Name.Name != typeName {
			continue
		}
		fields, ok := one.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range fields.Fields.List {
			for _, ident := range field.Names {
				if ident.Name == name {
					text = field.Doc.Text()
					if text == "" {
						text = field.Comment.Text()
					}
				}
			}
		}
	}
	return text
}

// prose turns a Go comment into Markdown for people who know keys and no Go: it does not begin
// with the name of what it is about, fields go by their keys, and examples are YAML.
func prose(text, about string, keys map[string]string) string {
	parser := comment.Parser{LookupSym: func(string, string) bool { return true }}
	text = seeAlso.ReplaceAllString(text, "")
	var blocks []string
	for _, block := range parser.Parse(text).Content {
		switch b := block.(type) {
		case *comment.Paragraph:
			blocks = append(blocks, sentence(plain(b.Text), about, keys))
			about = ""
		case *comment.Code:
			blocks = append(blocks, "```yaml\n"+strings.TrimRight(b.Text, "\n")+"\n```")
		}
	}
	return strings.Join(blocks, "\n\n")
}

// firstProse is the part of prose that fits into a table and into an editor's hint.
func firstProse(text, about string, keys map[string]string) string {
	paragraphs := strings.Split(prose(text, about, keys), "\n\n")
	return paragraphs[0]
}

func plain(texts []comment.Text) string {
	var b strings.Builder
	for _, text := range texts {
		switch t := text.(type) {
		case comment.Plain:
			b.WriteString(string(t))
		case comment.Italic:
			b.WriteString(string(t))
		case *comment.DocLink:
			b.WriteString(plain(t.Text))
		case *comment.Link:
			b.WriteString(plain(t.Text))
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// seeAlso points to what only readers of the sources have.
var seeAlso = regexp.MustCompile(`[;,]?\s+see (internal/\w+|\[[\w.]+\])`)

// code is what stands for itself in a text: $FICMISDATE$, restart_delay, create_dir=true.
var code = regexp.MustCompile(`\$[A-Z]+\$|\b[a-z]+(?:_[a-z0-9]+)+(?:=[a-z]+)?\b|\b[A-Z]+_[A-Z_]+\b`)

func sentence(text, about string, keys map[string]string) string {
	if rest, ok := strings.CutPrefix(text, about+" "); ok && about != "" {
		for _, verb := range []string{"is ", "are "} {
			rest = strings.TrimPrefix(rest, verb)
		}
		text = rest
	}
	text = code.ReplaceAllString(text, "`$0`")
	for field, key := range keys {
		if field == about {
			continue
		}
		text = regexp.MustCompile(`\b`+field+`\b('s)?`).ReplaceAllStringFunc(text, func(found string) string {
			return "`" + key + "`" + strings.TrimPrefix(found, field)
		})
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, ":") {
		text += "."
	}
	return text
}
