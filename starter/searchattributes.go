package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"

	"github.com/pbsmflow/pbsmflow/workflows"
)

func newSearchAttributesCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "search-attributes",
		Short:   "Prepare a Temporal namespace",
		Example: `  starter search-attributes create`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "create",
		Short: "Register the search attributes that the workflows use",
		Long: `Register the search attributes that the workflows use, all of type Keyword:
` + strings.Join(workflows.SearchAttributes(), ", ") + `. Those that exist are left as they are.`,
		Example: `  TEMPORAL_NAMESPACE=close starter search-attributes create`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.createSearchAttributes(cmd.Context()) },
	})
	return cmd
}

func (a *app) createSearchAttributes(ctx context.Context) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	missing, err := s.missingSearchAttributes(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		attributes := map[string]enumspb.IndexedValueType{}
		for _, name := range missing {
			attributes[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		}
		_, err := s.client.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
			Namespace: s.namespace, SearchAttributes: attributes,
		})
		if err != nil {
			return answered(err, &problem{code: exitFailed, message: fmt.Sprintf("register search attributes in namespace %s: %v", s.namespace, err),
				next: []string{"Where this is not allowed (Temporal Cloud), add them in its console, type Keyword: " + strings.Join(missing, ", ")}})
		}
	}
	if a.json() {
		a.printJSON(map[string]any{"namespace": s.namespace, "created": missing})
		return nil
	}
	if len(missing) == 0 {
		a.print(fmt.Sprintf("Namespace %s has them all: %s.", s.namespace, strings.Join(workflows.SearchAttributes(), ", ")))
		return nil
	}
	a.print(fmt.Sprintf("Registered in namespace %s: %s.", s.namespace, strings.Join(missing, ", ")))
	return nil
}

// missingSearchAttributes are those that the namespace does not know. One of another type is an error.
func (s *session) missingSearchAttributes(ctx context.Context) ([]string, error) {
	known, err := s.client.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: s.namespace})
	if err != nil {
		return nil, fmt.Errorf("read the search attributes of namespace %s: %w", s.namespace, err)
	}
	missing, wrong := []string{}, []string{}
	for _, name := range workflows.SearchAttributes() {
		switch has, ok := known.GetCustomAttributes()[name]; {
		case !ok:
			missing = append(missing, name)
		case has != enumspb.INDEXED_VALUE_TYPE_KEYWORD:
			wrong = append(wrong, fmt.Sprintf("%s is a %s there", name, has))
		}
	}
	if len(wrong) > 0 {
		return nil, &problem{code: exitFailed, message: fmt.Sprintf("namespace %s has search attributes of another type than Keyword: %s", s.namespace, strings.Join(wrong, ", "))}
	}
	return missing, nil
}
