package schedule

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const minCatchUp = time.Minute

// compile checks the flags, and takes what they omit from the pipeline. Every problem is reported.
func (o *createOptions) compile(f *cli.Factory) (*calendar.CompiledRule, error) {
	known, err := config.LoadPlanning(f.Config, os.Environ())
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	o.pipelines = known.Pipelines
	var found []string
	if err := cli.InputProblem(o.input.Validate()); err != nil {
		found = append(found, cli.AsProblem(err).Problems...)
	} else if err := fromPipeline(f, known.Pipelines, &o.input); err != nil {
		found = append(found, err.Error())
	}
	compiled, err := known.Calendars.Compile(rule(o.input))
	found = append(found, problem.Texts(err)...)
	if _, ok := overlaps[o.overlap]; !ok {
		found = append(found, fmt.Sprintf("overlap %q is neither wait nor skip", o.overlap))
	}
	if o.catchUp < minCatchUp {
		found = append(found, fmt.Sprintf("catch-up %s is less than %s", o.catchUp, minCatchUp))
	}
	if o.nights < 1 || o.nights > 1000 {
		found = append(found, fmt.Sprintf("nights %d is not between 1 and 1000", o.nights))
	}
	if _, err := time.Parse(time.DateOnly, o.from); err != nil && o.from != "" {
		found = append(found, fmt.Sprintf("from %q is not a date; write it like 2026-10-31", o.from))
	}
	return compiled, cli.Listing(cli.ExitUsage, "the schedule has problems", found)
}

// fromPipeline takes calendar and time zone from the pipeline's definition, where that is here.
func fromPipeline(f *cli.Factory, folder string, in *workflows.ScheduledCloseInput) error {
	if folder == "" {
		return nil
	}
	for _, ending := range pipeline.Endings {
		file := filepath.Join(folder, in.Pipeline+ending)
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("the pipeline: %w", err)
		}
		p, err := pipeline.ParseIn(text, os.DirFS(folder))
		if err != nil {
			return fmt.Errorf("%s has problems; see %s", file, f.Starter("pipeline check "+file))
		}
		if err := p.CheckStart(in.Params); err != nil {
			return err
		}
		if in.Calendar == "" {
			in.Calendar = p.Calendar
		}
		if in.TimeZone == "" {
			in.TimeZone = p.TimeZone
		}
		return nil
	}
	return nil
}

// hint notes what is unusual about a schedule.
func (o createOptions) hint(f *cli.Factory, compiled *calendar.CompiledRule, n nights) {
	if others := otherPipelines(o.pipelines, o.input.Pipeline); len(others) > 0 {
		f.Note("There is no pipeline %s in %s, which has %s. If the workers' folder has none either, no close can start.",
			o.input.Pipeline, o.pipelines, strings.Join(others, ", "))
	}
	hour, _ := compiled.Clock()
	for _, v := range n.verdicts {
		if v.Night != nil && hour < 12 && v.Night.AsOf.Equal(v.Night.Date) {
			f.Note("The as-of date is the day on which the night begins. For the business day before it: --as-of business-day-1")
			return
		}
	}
}

// otherPipelines lists the pipelines of a folder that lacks the named one. The workers' may be another folder.
func otherPipelines(folder, name string) (others []string) {
	files, err := os.ReadDir(folder)
	if folder == "" || err != nil {
		return nil
	}
	for _, file := range files {
		ending := filepath.Ext(file.Name())
		switch known := strings.TrimSuffix(file.Name(), ending); {
		case file.IsDir() || !slices.Contains(pipeline.Endings, ending):
		case known == name:
			return nil
		default:
			others = append(others, known)
		}
	}
	return others
}
