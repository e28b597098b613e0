package encryption

import (
	"context"
	"errors"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Converters are what a client of Temporal needs to seal and open.
type Converters struct {
	data     converter.DataConverter
	failures converter.FailureConverter
}

// Apply puts them into the options of a client.
func (c Converters) Apply(options *client.Options) {
	options.DataConverter, options.FailureConverter = c.data, c.failures
}

// ForClient are the converters of a program that starts and steers. A missing key is an error.
func (k *Keyring) ForClient() Converters {
	data := k.DataConverter()
	return Converters{data: data, failures: &failureConverter{k.failureConverter(data), k, said}}
}

// ForWorker are the converters of a worker. In a workflow a missing key is a panic, after which
// Temporal tries the workflow task again, perhaps on a worker that has the key. An error would
// pass for the failure of an activity, lose a signal, or end the night.
func (k *Keyring) ForWorker() Converters {
	insistent := insistentConverter{k.DataConverter()}
	return Converters{
		data:     &workerConverter{k.DataConverter()},
		failures: &failureConverter{k.failureConverter(insistent), k, func(f *failurepb.Failure, err error) { said(f, insist(err)) }},
	}
}

// DataConverter seals and opens what the SDK's default converter makes.
func (k *Keyring) DataConverter() converter.DataConverter {
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), k)
}

func (k *Keyring) failureConverter(data converter.DataConverter) converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: data, EncodeCommonAttributes: k.current != "",
	})
}

// workerConverter insists on keys inside of workflows.
type workerConverter struct{ converter.DataConverter }

var _ workflow.ContextAware = (*workerConverter)(nil)

func (c *workerConverter) WithWorkflowContext(workflow.Context) converter.DataConverter {
	return insistentConverter{c.DataConverter}
}

func (c *workerConverter) WithContext(context.Context) converter.DataConverter { return c }

// insistentConverter panics where a key is missing.
type insistentConverter struct{ converter.DataConverter }

func (c insistentConverter) FromPayload(payload *commonpb.Payload, value any) error {
	return insist(c.DataConverter.FromPayload(payload, value))
}

func (c insistentConverter) FromPayloads(payloads *commonpb.Payloads, values ...any) error {
	return insist(c.DataConverter.FromPayloads(payloads, values...))
}

func insist(err error) error {
	if missing := (*MissingKeyError)(nil); errors.As(err, &missing) {
		panic(missing)
	}
	return err
}

// failureConverter does not let a failure pass whose text cannot be opened: the SDK's own would
// hand on "Encoded failure" for it. Nor one that Temporal does not take.
type failureConverter struct {
	converter.FailureConverter
	keys     *Keyring
	unopened func(*failurepb.Failure, error)
}

func (c *failureConverter) FailureToError(failure *failurepb.Failure) error {
	for f := failure; f != nil; f = f.GetCause() {
		if text := f.GetEncodedAttributes(); text != nil {
			if _, err := c.keys.open(text); err != nil {
				c.unopened(f, err)
			}
		}
	}
	return c.FailureConverter.FailureToError(failure)
}

// ErrorToFailure writes what is no UTF-8, such as a name in a file of another encoding, so that it can
// be sent: the SDK's own would leave a failure that never leaves the worker, and is tried for ever.
func (c *failureConverter) ErrorToFailure(err error) *failurepb.Failure {
	failure := c.FailureConverter.ErrorToFailure(err)
	for f := failure; f != nil; f = f.GetCause() {
		f.Message, f.StackTrace = strings.ToValidUTF8(f.Message, "\uFFFD"), strings.ToValidUTF8(f.StackTrace, "\uFFFD")
	}
	return failure
}

// said has the failure say why its text cannot be read.
func said(f *failurepb.Failure, err error) {
	f.Message, f.EncodedAttributes = "the text of the error cannot be read: "+err.Error(), nil
}
