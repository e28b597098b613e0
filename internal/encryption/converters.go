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

// Converters make a Temporal client seal and open payloads.
type Converters struct {
	data     converter.DataConverter
	failures converter.FailureConverter
}

// Apply sets the converters in the options of a client.
func (c Converters) Apply(options *client.Options) {
	options.DataConverter, options.FailureConverter = c.data, c.failures
}

// ForClient returns the converters of a program that starts workflows and sends commands. A missing key is an error.
func (k *Keyring) ForClient() Converters {
	data := k.DataConverter()
	return Converters{data: data, failures: &failureConverter{k.failureConverter(data), k, explain}}
}

// ForWorker returns the converters of a worker. In a workflow a missing key is a panic, after which Temporal
// retries the workflow task, perhaps on a worker that has the key. An error would look like the failure of an
// activity, lose a signal, or end the close.
func (k *Keyring) ForWorker() Converters {
	requireKey := func(f *failurepb.Failure, err error) { explain(f, panicWithoutKey(err)) }
	failures := k.failureConverter(panickingConverter{k.DataConverter()})
	return Converters{
		data:     &workerConverter{k.DataConverter()},
		failures: &failureConverter{failures, k, requireKey},
	}
}

// DataConverter seals and opens the payloads of the SDK's default converter.
func (k *Keyring) DataConverter() converter.DataConverter {
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), k)
}

// FailureConverter opens failures outside of workflows. It explains a missing key.
func (k *Keyring) FailureConverter() converter.FailureConverter { return k.ForClient().failures }

func (k *Keyring) failureConverter(data converter.DataConverter) converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter:          data,
		EncodeCommonAttributes: k.current != "",
	})
}

// workerConverter panics without a key, but only inside workflows.
type workerConverter struct{ converter.DataConverter }

var _ workflow.ContextAware = (*workerConverter)(nil)

func (c *workerConverter) WithWorkflowContext(workflow.Context) converter.DataConverter {
	return panickingConverter{c.DataConverter}
}

func (c *workerConverter) WithContext(context.Context) converter.DataConverter { return c }

// panickingConverter panics if a key is missing.
type panickingConverter struct{ converter.DataConverter }

func (c panickingConverter) FromPayload(payload *commonpb.Payload, value any) error {
	return panicWithoutKey(c.DataConverter.FromPayload(payload, value))
}

func (c panickingConverter) FromPayloads(payloads *commonpb.Payloads, values ...any) error {
	return panicWithoutKey(c.DataConverter.FromPayloads(payloads, values...))
}

func panicWithoutKey(err error) error {
	if missing := (*MissingKeyError)(nil); errors.As(err, &missing) {
		panic(missing)
	}
	return err
}

// failureConverter explains why the text of a failure cannot be opened, for which the SDK's own converter would return
// "Encoded failure", and makes sure that Temporal accepts a failure.
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

// ErrorToFailure replaces invalid UTF-8, such as a name from a file in another encoding. The failure of the SDK's own
// converter could not be sent, and the worker would retry forever.
func (c *failureConverter) ErrorToFailure(err error) *failurepb.Failure {
	failure := c.FailureConverter.ErrorToFailure(err)
	for f := failure; f != nil; f = f.GetCause() {
		f.Message = strings.ToValidUTF8(f.Message, "\uFFFD")
		f.StackTrace = strings.ToValidUTF8(f.StackTrace, "\uFFFD")
	}
	return failure
}

// explain makes the failure say why its text cannot be read.
func explain(f *failurepb.Failure, err error) {
	f.Message, f.EncodedAttributes = "the text of the error cannot be read: "+err.Error(), nil
}
