package pipeline

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// nightsOptions are the flags of nights.
type nightsOptions struct {
	vars     pipeline.Vars
	params   ParamFlags
	rule     calendar.Rule
	from, to string
}

func newNights(f *cli.Factory) *cobra.Command {
	var o nightsOptions
	cmd := &cobra.Command{
		Use:   "nights FILE --from DATE --to DATE",
		Short: "Show which steps run on which nights",
		Long: `Show which steps of a definition run on which nights, by what their "when" says.
The nights are those of a schedule with the same flags; see schedule create.
Nothing is contacted.`,
		Example: f.Examples("pipeline nights nightly-close.yaml --from 2026-12-01 --to 2027-01-31"),
		Args:    cli.OneArg("file"),
		RunE: func(_ *cobra.Command, args []string) (err error) {
			if o.vars.Params, o.vars.Key, err = o.params.Values(); err != nil {
				return err
			}
			if o.vars.Calendars, err = calendars(f); err != nil {
				return err
			}
			return nights(f, args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.from, "from", "", "the `date` of the first night")
	flags.StringVar(&o.to, "to", "", "the `date` of the last night")
	flags.StringVar(&o.rule.On, "on", calendar.BusinessDays, "which `nights`, as of schedule create")
	flags.StringVar(&o.rule.Roll, "roll", "", "`where` a night moves that falls on no business day: forward, back, none")
	flags.StringVar(&o.rule.AsOf, "as-of", calendar.BusinessDay, "the `rule` of the as-of date, as of schedule create")
	flags.StringVarP(&o.vars.Connection, "connection", "c", "", "the `connection` that templates see")
	o.params.Add(flags)
	return cmd
}

// night is a night and the steps that run on it.
type night struct {
	Night    string   `json:"night"`
	AsOfDate string   `json:"as_of_date"`
	Steps    []string `json:"steps"`
	// NotTonight are the others.
	NotTonight []string `json:"not_tonight"`
}

func nights(f *cli.Factory, file string, o nightsOptions) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return cli.Usage("the pipeline: %v", err)
	}
	p, err := parse(file, text, "", pipeline.Vars{})
	if err != nil {
		return of(file, err)
	}
	verdicts, err := o.verdicts(p)
	if err != nil {
		return err
	}
	all := []night{}
	for _, v := range verdicts {
		if v.Night == nil {
			continue
		}
		one, err := o.night(p, v)
		if err != nil {
			return of(file+", "+v.Date.Format(time.DateOnly), err)
		}
		all = append(all, one)
	}
	return f.Show(map[string]any{"pipeline": p.Name, "nights": all}, nightLines(p.Name, all, f.Width())...)
}

func of(what string, err error) error {
	problem := cli.AsProblem(err)
	problem.Message = what + ": " + problem.Message
	return problem
}

// verdicts are those of the rule on the dates. A pipeline that names no calendar runs on every day.
func (o nightsOptions) verdicts(p *pipeline.Pipeline) ([]calendar.Verdict, error) {
	o.rule.Calendar, o.rule.TimeZone = p.Calendar, cmp.Or(p.TimeZone, "UTC")
	if p.Calendar == "" {
		o.rule.Calendar = calendar.EveryDay
		o.vars.Calendars = calendar.WithEveryDay(o.vars.Calendars)
	}
	if !strings.HasPrefix(o.rule.On, calendar.Cron+" ") {
		o.rule.At = "00:00"
	}
	compiled, err := o.vars.Calendars.Compile(o.rule)
	found := problem.Texts(err)
	first, errFirst := time.Parse(time.DateOnly, o.from)
	last, errLast := time.Parse(time.DateOnly, o.to)
	if errFirst != nil {
		found = append(found, "--from "+o.from+" is not a date; write it like 2026-12-01")
	}
	if errLast != nil {
		found = append(found, "--to "+o.to+" is not a date; write it like 2027-01-31")
	}
	if len(found) == 0 && (last.Before(first) || last.Sub(first) > 10*366*24*time.Hour) {
		found = append(found, "--to must be after --from, and at most ten years")
	}
	if err := cli.FlagProblems(found); err != nil {
		return nil, err
	}
	return compiled.Between(first, last), nil
}

func (o nightsOptions) night(p *pipeline.Pipeline, v calendar.Verdict) (night, error) {
	one := night{Night: v.Date.Format(time.DateOnly), AsOfDate: v.Night.AsOf.Format(time.DateOnly), Steps: []string{},
		NotTonight: []string{}}
	asOf, err := pipeline.ParseDate(one.AsOfDate)
	if err != nil {
		return one, err
	}
	o.vars.Connection = cmp.Or(o.vars.Connection, "connection")
	q, err := p.Render(asOf, o.vars)
	if err != nil {
		return one, err
	}
	for i, s := range q.Steps {
		id := cmp.Or(q.Expansion(i).Of, s.ID)
		list := &one.Steps
		if q.Expansion(i).NotTonight != "" {
			list = &one.NotTonight
		}
		if !slices.Contains(*list, id) {
			*list = append(*list, id)
		}
	}
	return one, nil
}

const mark = "x"

// nightLines are a table of nights and of the steps that do not run on all of them.
func nightLines(name string, all []night, width int) []string {
	var always, some []string
	for _, one := range all {
		for _, id := range slices.Concat(one.Steps, one.NotTonight) {
			switch never := func(n night) bool { return slices.Contains(n.NotTonight, id) }; {
			case slices.Contains(always, id) || slices.Contains(some, id):
			case slices.ContainsFunc(all, never):
				some = append(some, id)
			default:
				always = append(always, id)
			}
		}
	}
	lines := []string{name + ": " + view.Plural(len(all), "night")}
	if len(always) > 0 {
		lines = append(lines, view.Indent("", "Every night: "+strings.Join(always, ", "), width)...)
	}
	const dates = 32 // cells of the first two columns
	fits := width == 0 || dates+len(strings.Join(some, "  ")) < width
	head := []string{"NIGHT", "AS OF"}
	if fits {
		head = append(head, some...)
	} else {
		head = append(head, "ALSO")
	}
	rows := [][]string{head}
	for _, one := range all {
		rows = append(rows, one.row(some, fits))
	}
	return append(append(lines, ""), view.Table(make([]view.Column, len(head)), rows, width)...)
}

// row is a night in the table: a mark for each step, or the names of those that run.
func (n night) row(steps []string, marks bool) []string {
	day, _ := time.Parse(time.DateOnly, n.Night)
	row := []string{day.Format("Mon 2006-01-02"), n.AsOfDate}
	var also []string
	for _, id := range steps {
		switch runs := slices.Contains(n.Steps, id); {
		case marks && runs:
			row = append(row, mark)
		case marks:
			row = append(row, "-")
		case runs:
			also = append(also, id)
		}
	}
	if !marks {
		row = append(row, strings.Join(also, ", "))
	}
	return row
}
