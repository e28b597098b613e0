package client

import (
	"context"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// MissingSearchAttributes lists those that the namespace does not have. One of another type is an error.
func (s *Session) MissingSearchAttributes(ctx context.Context) ([]string, error) {
	request := &operatorservice.ListSearchAttributesRequest{Namespace: s.Namespace}
	known, err := s.Temporal.OperatorService().ListSearchAttributes(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("list the search attributes of namespace %s: %w", s.Namespace, err)
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
		return nil, cli.Failed("namespace %s has search attributes of another type than Keyword: %s",
			s.Namespace, strings.Join(wrong, ", "))
	}
	return missing, nil
}
