package main

import (
	"go/doc/comment"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/invopop/jsonschema"
)

const module = "github.com/pbsmflow/pbsmflow"

// comments are those of the types and fields of internal.
type comments struct {
	text  map[string]string // by import path, type and field
	types map[string]string // what is written above a type, as Markdown, by its name in the schema
}

// readComments reads the sources below the repository's root.
func readComments(root string) (*comments, error) {
	folder, err := filepath.Abs(filepath.Join(root, "internal"))
	if err != nil {
		return nil, err
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	to, err := filepath.Rel(here, folder)
	if err != nil {
		return nil, err
	}
	back, err := filepath.Rel(folder, here)
	if err != nil {
		return nil, err
	}
	// The library joins base, the import path of this folder, with the path from here to a package's folder.
	var r jsonschema.Reflector
	err = r.AddGoComments(path.Join(module, "internal", filepath.ToSlash(back)), to, jsonschema.WithFullComment())
	return &comments{text: r.CommentMap, types: map[string]string{}}, err
}

// of is the comment of a type's field, or of the type itself if field is empty.
func (c *comments) of(t reflect.Type, field string) string {
	return c.text[strings.TrimSuffix(t.PkgPath()+"."+t.Name()+"."+field, ".")]
}

// prose turns a Go comment into Markdown for people who know the keys but not Go: it does not begin with the name of
// its subject, fields are named by their keys, and examples are YAML.
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

// firstProse returns the part of prose that fits into a table and an editor's hint.
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

// seeAlso matches references to sources.
var seeAlso = regexp.MustCompile(`[;,]?\s+see (internal/\w+|\[[\w.]+\])`)

// code matches literals in a text: $FICMISDATE$, restart_delay, create_dir=true.
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
