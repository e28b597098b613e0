// Package file has starter file.
package file

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:   "file",
		Short: "Upload, list and download files of the service",
		Example: `  starter file upload inbox/gl_2026-10-31.csv --connection prod
  starter file list --connection prod
  starter file download -c prod --file-id 5025 --save-to reports/gl.csv`,
	}, newUpload(f), newList(f), newDownload(f))
}

type uploadOptions struct {
	cli.StartOptions
	input               workflows.UploadFileInput
	waitUntil, deadline string
}

func newUpload(f *cli.Factory) *cobra.Command {
	var o uploadOptions
	cmd := &cobra.Command{
		Use:   "upload STORE/PATH --connection C",
		Short: "Upload a file from a store to the service",
		Long: `Upload a file from a store of the worker's configuration to the service.

` + cli.ExitCodesHelp,
		Example: `  starter file upload inbox/gl_2026-10-31.csv -c prod --wait-until 01:30`,
		Args:    cli.OneArg("STORE/PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.input.File = args[0]
			return upload(cmd.Context(), f, o)
		},
	}
	flags, in := cmd.Flags(), &o.input
	cli.ConnectionFlag(flags, &in.Connection)
	flags.StringVar(&in.Name, "name", "", "the remote file `name` (default the last part of the path)")
	flags.StringVar(&in.MimeType, "mime-type", "", "the `type`: Text/CSV, Text/plain or DAT (default by the name's ending)")
	flags.StringVar(&in.Prefix, "prefix", "", "the remote `prefix`")
	flags.StringVar(&o.waitUntil, "wait-until", "", "the `time` until which to wait for a missing file: 01:30, 90m")
	cli.DeadlineFlag(flags, &o.deadline)
	o.AddFlags(flags)
	return cmd
}

func upload(ctx context.Context, f *cli.Factory, o uploadOptions) (err error) {
	in, now := o.input, time.Now()
	if in.WaitUntil, err = cli.Moment("wait-until", o.waitUntil, now); err != nil {
		return err
	}
	if in.Deadline, err = cli.Moment("deadline", o.deadline, now); err != nil {
		return err
	}
	return f.Start(ctx, in, o.StartOptions)
}

type downloadOptions struct {
	cli.StartOptions
	input    workflows.DownloadFileInput
	deadline string
}

func newDownload(f *cli.Factory) *cobra.Command {
	var o downloadOptions
	cmd := &cobra.Command{
		Use:                   "download -c C --file-id ID|--name NAME --save-to STORE/PATH",
		DisableFlagsInUseLine: true,
		Short:                 "Download a file of the service into a store",
		Long: `Download a file of the service, by its id or its name, into a store of the
worker's configuration.

` + cli.ExitCodesHelp,
		Example: `  starter file download -c prod --file-id 5025 --save-to reports/gl.csv`,
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return download(cmd.Context(), f, o) },
	}
	flags, in := cmd.Flags(), &o.input
	cli.ConnectionFlag(flags, &in.Connection)
	flags.StringVar(&in.FileID, "file-id", "", "the file's `id`; starter file list shows it")
	flags.StringVar(&in.Name, "name", "", "the file's `name`, instead of its id")
	flags.StringVar(&in.Stripe, "stripe", "", "the `stripe` that the name belongs to (default default)")
	flags.StringVar(&in.Prefix, "prefix", "", "the `prefix` that the name belongs to")
	flags.StringVar(&in.SaveTo, "save-to", "", "where to save it, `STORE/PATH` of the worker's configuration")
	cli.DeadlineFlag(flags, &o.deadline)
	o.AddFlags(flags)
	return cmd
}

func download(ctx context.Context, f *cli.Factory, o downloadOptions) (err error) {
	in := o.input
	if in.Deadline, err = cli.Moment("deadline", o.deadline, time.Now()); err != nil {
		return err
	}
	return f.Start(ctx, in, o.StartOptions)
}
