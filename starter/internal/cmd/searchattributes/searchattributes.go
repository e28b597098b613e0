// Package searchattributes has starter search-attributes.
package searchattributes

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:     "search-attributes",
		Short:   "Prepare a Temporal namespace",
		Example: f.Examples("search-attributes create"),
	}, &cobra.Command{
		Use:   "create",
		Short: "Register the search attributes that the workflows use",
		Long: `Register the search attributes that the workflows use, all of type Keyword:
` + strings.Join(workflows.SearchAttributes(), ", ") + `.
Those that exist are not touched.`,
		Example: f.Examples("search-attributes create"),
		Args:    cli.NoArgs,
		RunE:    client.RunE(f, create),
	})
}

func create(ctx context.Context, s *client.Session, _ []string) error {
	missing, err := s.MissingSearchAttributes(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		attributes := map[string]enumspb.IndexedValueType{}
		for _, name := range missing {
			attributes[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		}
		_, err := s.Temporal.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
			Namespace:        s.Namespace,
			SearchAttributes: attributes,
		})
		if err != nil {
			return cli.OrUnavailable(err, cli.Failed("register search attributes in namespace %s: %v", s.Namespace, err).
				Then("Where this is not allowed (Temporal Cloud), add them in its console, type Keyword: "+
					strings.Join(missing, ", ")))
		}
	}
	text := fmt.Sprintf("Registered in namespace %s: %s.", s.Namespace, strings.Join(missing, ", "))
	if len(missing) == 0 {
		text = fmt.Sprintf("Namespace %s has them all: %s.", s.Namespace, strings.Join(workflows.SearchAttributes(), ", "))
	}
	return s.Show(map[string]any{"namespace": s.Namespace, "created": missing}, text)
}
