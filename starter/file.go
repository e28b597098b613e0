package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func newFileCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "file",
		Short: "Upload, list and download files of the service",
		Example: `  starter file upload inbox/gl_2026-10-31.csv --connection prod
  starter file list --connection prod
  starter file download --connection prod --file-id 5025 --save-to reports/gl.csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newUploadCommand(a), newFileListCommand(a), newDownloadCommand(a))
	return cmd
}

func newUploadCommand(a *app) *cobra.Command {
	var in workflows.UploadFileInput
	var waitUntil, deadline string
	var f following
	cmd := &cobra.Command{
		Use:     "upload STORE/PATH --connection C",
		Short:   "Move a file from a store into the service",
		Long:    "Move a file from a store of the worker's configuration into the service.\n\n" + exitCodesHelp,
		Example: `  starter file upload inbox/gl_2026-10-31.csv --connection prod --wait-until 01:30`,
		Args:    oneArg("STORE/PATH"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in.File = args[0]
			now := time.Now()
			if in.WaitUntil, err = moment("wait-until", waitUntil, now); err != nil {
				return err
			}
			if in.Deadline, err = moment("deadline", deadline, now); err != nil {
				return err
			}
			if err := inputProblem(in.Validate()); err != nil {
				return err
			}
			return a.launch(cmd.Context(), in, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&in.Connection, "connection", "c", "", "the `connection`, as the worker's configuration names it")
	flags.StringVar(&in.Name, "name", "", "the remote file `name` (default the last part of the path)")
	flags.StringVar(&in.MimeType, "mime-type", "", "the `type`: Text/CSV, Text/plain or DAT (default by the name's ending)")
	flags.StringVar(&in.Prefix, "prefix", "", "the remote `prefix`")
	flags.StringVar(&waitUntil, "wait-until", "", "the `time` until which a file that is not there yet is waited for: 01:30, 90m")
	deadlineFlag(flags, &deadline)
	followFlags(flags, &f)
	return cmd
}

func newDownloadCommand(a *app) *cobra.Command {
	var in workflows.DownloadFileInput
	var deadline string
	var f following
	cmd := &cobra.Command{
		Use: "download -c C --file-id ID|--name NAME --save-to STORE/PATH", DisableFlagsInUseLine: true,
		Short:   "Bring a file of the service into a store",
		Long:    "Bring a file of the service into a store of the worker's configuration, by its id or its name.\n\n" + exitCodesHelp,
		Example: `  starter file download --connection prod --file-id 5025 --save-to reports/gl.csv`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			now := time.Now()
			if in.Deadline, err = moment("deadline", deadline, now); err != nil {
				return err
			}
			if err := inputProblem(in.Validate()); err != nil {
				return err
			}
			return a.launch(cmd.Context(), in, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&in.Connection, "connection", "c", "", "the `connection`, as the worker's configuration names it")
	flags.StringVar(&in.FileID, "file-id", "", "the file's `id`; starter file list shows it")
	flags.StringVar(&in.Name, "name", "", "the file's `name`, instead of its id")
	flags.StringVar(&in.Stripe, "stripe", "", "the `stripe` that the name belongs to (default default)")
	flags.StringVar(&in.Prefix, "prefix", "", "the `prefix` that the name belongs to")
	flags.StringVar(&in.SaveTo, "save-to", "", "where to save it, `STORE/PATH` of the worker's configuration")
	deadlineFlag(flags, &deadline)
	followFlags(flags, &f)
	return cmd
}

type listedFile struct {
	ID         string `json:"file_id"`
	Name       string `json:"name"`
	UploadDate string `json:"upload_date"` // the service's text; it has no time zone
	Stripe     string `json:"stripe"`
}

func newFileListCommand(a *app) *cobra.Command {
	var connection, stripe string
	cmd := &cobra.Command{
		Use:     "list --connection C",
		Short:   "List the files of the service",
		Long:    "List the files of the service. This asks the service directly, with the configuration here.",
		Example: `  starter file list --connection prod --config pbsm.yaml`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := a.listFiles(cmd.Context(), connection, stripe)
			if err != nil {
				return err
			}
			if a.json() {
				a.printJSON(map[string]any{"files": files})
				return nil
			}
			a.print(fileTable(files, a.width())...)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&connection, "connection", "c", "", "the `connection`, as the configuration here names it")
	flags.StringVar(&stripe, "stripe", "default", "the `stripe` to list")
	return cmd
}

func (a *app) listFiles(ctx context.Context, connection, stripe string) ([]listedFile, error) {
	cfg, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	name, conn, err := pickConnection(cfg, connection)
	if err != nil {
		return nil, err
	}
	service, err := pbsm.New(conn.Client())
	if err != nil {
		return nil, usage("connection %s: %v", name, err)
	}
	listed, err := service.ListFiles(ctx, stripe)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &problem{code: exitFailed, message: fmt.Sprintf("connection %s: %v", name, err), next: []string{"See what is wrong: starter doctor --connection " + name}}
	}
	files := make([]listedFile, 0, len(listed))
	for _, f := range listed {
		files = append(files, listedFile{ID: f.ID, Name: f.Name, UploadDate: f.UploadDate, Stripe: f.StripeName})
	}
	return files, nil
}

// pickConnection finds a connection by name; a name may be left out where there is only one.
func pickConnection(cfg *config.Config, name string) (string, config.Connection, error) {
	known := slices.Sorted(maps.Keys(cfg.Connections))
	if name == "" && len(known) == 1 {
		name = known[0]
	}
	conn, ok := cfg.Connections[name]
	switch {
	case ok:
		return name, conn, nil
	case name == "":
		return "", conn, usage("--connection is missing; the configuration knows %s", strings.Join(known, ", "))
	}
	return "", conn, usage("connection %q is not in the configuration; it knows %s", name, strings.Join(known, ", "))
}

func fileTable(files []listedFile, width int) []string {
	if len(files) == 0 {
		return []string{"no files"}
	}
	rows := [][]string{{"ID", "UPLOADED", "STRIPE", "NAME"}}
	for _, f := range files {
		rows = append(rows, []string{f.ID, f.UploadDate, f.Stripe, f.Name})
	}
	return view.Table([]view.Column{{Right: true}, {Spare: true}, {Spare: true}, {}}, rows, width)
}
