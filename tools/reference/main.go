// Command reference writes the reference of pbsm.yaml and of pipelines, for people and for editors: two pages of docs/
// and two JSON Schemas. They are derived from the Go types and the comments of their fields. Its tests compare the
// files with the types, and the schemas with the parsers.
//
//	reference ROOT   writes below the folder ROOT, the repository's
package main

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

//go:embed *.md.tmpl
var templates embed.FS

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: reference ROOT")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns all files, by their paths below root. The error lists every key without a comment.
func generate(root string) (map[string][]byte, error) {
	files := map[string][]byte{}
	var problems []error
	for _, one := range []struct {
		language
		defaults map[string]any
		page     string
	}{
		{configuration(), defaultsOf(reflect.ValueOf(*config.Defaults()), "", map[string]any{}), "configuration.md"},
		{pipelines(), nil, "pipelines.md"},
	} {
		page, schema, err := one.files(root, one.page, one.defaults)
		problems = append(problems, err)
		files["docs/"+one.page], files["deploy/schema/"+one.name+".schema.json"] = page, schema
	}
	return files, errors.Join(problems...)
}

func (l language) files(root, page string, defaults map[string]any) (text, schema []byte, err error) {
	c, err := readComments(root)
	if err != nil {
		return nil, nil, err
	}
	s, err := l.reflect(c)
	if err != nil {
		return nil, nil, err
	}
	source, err := templates.ReadFile(page + ".tmpl")
	if err != nil {
		return nil, nil, err
	}
	document, err := l.book(s, c, defaults).markdown(string(source))
	if err != nil {
		return nil, nil, err
	}
	schema, err = l.publish(s, defaults)
	return []byte(document), schema, err
}
