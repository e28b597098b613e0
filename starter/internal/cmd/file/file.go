// Package file has starter file.
package file

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/command"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:   "file",
		Short: "Upload, list, download and delete files of the service",
		Example: f.Examples(
			"file upload inbox/gl_2026-10-31.csv --connection prod",
			"file list --connection prod",
			"file download -c prod --file-id 5025 --save-to reports/gl.csv",
		),
	}, append([]*cobra.Command{newUpload(f), newList(f), newDownload(f), newDelete(f)},
		command.All(f, workflows.FileNoun)...)...)
}

func newUpload(f *cli.Factory) *cobra.Command {
	var in workflows.UploadFileInput
	var waitUntil string
	cmd := cli.StartCommand(f, &cobra.Command{
		Use:     "upload STORE/PATH --connection C",
		Short:   "Upload a file from a store to the service",
		Long:    "Upload a file from a store of the worker's configuration to the service.",
		Example: f.Examples("file upload inbox/gl_2026-10-31.csv -c prod --wait-until 01:30"),
		Args:    cli.OneArg("STORE/PATH"),
	}, &in, &in.Connection, &in.Deadline, func(args []string, _ string) (err error) {
		in.File = args[0]
		in.WaitUntil, err = cli.Moment("wait-until", waitUntil, time.Now())
		return err
	})
	flags := cmd.Flags()
	flags.StringVar(&in.Name, "name", "", "the remote file `name` (default the last part of the path)")
	flags.StringVar(&in.MimeType, "mime-type", "",
		"the `type`: Text/CSV, Text/plain or DAT (default by the name's ending)")
	flags.StringVar(&in.Prefix, "prefix", "", "the remote `prefix`")
	flags.StringVar(&waitUntil, "wait-until", "", "the `time` until which to wait for a missing file: 01:30, 90m")
	return cmd
}

func newDownload(f *cli.Factory) *cobra.Command {
	var in workflows.DownloadFileInput
	cmd := cli.StartCommand(f, &cobra.Command{
		Use:                   "download -c C --file-id ID|--name NAME --save-to STORE/PATH",
		DisableFlagsInUseLine: true,
		Short:                 "Download a file of the service into a store",
		Long: `Download a file of the service, by its id or its name, into a store of the
worker's configuration.`,
		Example: f.Examples("file download -c prod --file-id 5025 --save-to reports/gl.csv"),
		Args:    cli.NoArgs,
	}, &in, &in.Connection, &in.Deadline, nil)
	flags := cmd.Flags()
	flags.StringVar(&in.FileID, "file-id", "", "the file's `id`; file list shows it")
	flags.StringVar(&in.Name, "name", "", "the file's `name`, instead of its id")
	flags.StringVar(&in.Object, "object", "", "the `object` that BI Publisher delivered a report to, instead of a file")
	flags.StringVar(&in.Stripe, "stripe", "", "the `stripe` that the name belongs to (default default)")
	flags.StringVar(&in.Prefix, "prefix", "", "the `prefix` that the name belongs to")
	flags.StringVar(&in.SaveTo, "save-to", "", "where to save it, `STORE/PATH` of the worker's configuration")
	return cmd
}

func newDelete(f *cli.Factory) *cobra.Command {
	var in workflows.DeleteFilesInput
	cmd := cli.StartCommand(f, &cobra.Command{
		Use:   "delete [ID...] --connection C",
		Short: "Delete files of the service",
		Long: `Delete files of the service by their ids, which file list shows. Only an id
stands for one file: a name may stand for several, and is refused then. It
succeeds once the service lists none of them.

With --prefix and --everything, and no names, it deletes all files of a prefix.
Whether the service takes that for one folder, or for every name that begins so,
its documentation does not say.`,
		Example: f.Examples(
			"file delete 5025 5026 -c prod",
			"file delete --name gl.csv --prefix ledgers -c prod",
			"file delete --prefix ledgers --everything -c prod",
		),
		Args: cobra.ArbitraryArgs,
	}, &in, &in.Connection, &in.Deadline, func(args []string, _ string) error {
		in.FileIDs = args
		return nil
	})
	flags := cmd.Flags()
	flags.StringSliceVar(&in.Names, "name", nil, "a file's `name`, repeatable, instead of its id")
	flags.StringVar(&in.Prefix, "prefix", "", "the `prefix` that the names belong to")
	flags.BoolVar(&in.Everything, "everything", false, "delete all files of the prefix")
	return cmd
}
