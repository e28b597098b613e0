package main

import (
	"maps"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// source is the one that the variable datasource selects.
var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("$datasource")}

// all is the choice of every connection.
var all = dashboard.VariableOption{
	Selected: cog.ToPtr(true),
	Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
	Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
}

type target = prometheus.DataqueryBuilder

// query is a query of a panel, which assigns the letters.
func query(expr, legend string) *target {
	return prometheus.NewDataqueryBuilder().Expr(expr).LegendFormat(legend)
}

func row(title string) *dashboard.RowBuilder { return dashboard.NewRowBuilder(title) }

const (
	statHeight = 4
	lineHeight = 8
	// scrapeInterval is that of prometheus.yaml; $__rate_interval spans at least four of them.
	scrapeInterval = "15s"
)

// number shows the last value of each series, large.
func number(title, description string, width uint32, thresholds *dashboard.ThresholdsConfigBuilder, queries ...*target) *stat.PanelBuilder {
	p := stat.NewPanelBuilder().Title(title).Description(description).Datasource(source).Span(width).Height(statHeight).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeValue).TextMode(common.BigValueTextModeAuto).JustifyMode(common.BigValueJustifyModeCenter).NoValue("none")
	if thresholds == nil {
		thresholds = levels(threshold{"text", nil})
	} else {
		p.ColorMode(common.BigValueColorModeBackground)
	}
	for i, q := range queries {
		p.WithTarget(q.RefId(letter(i)).Instant())
	}
	return p.Thresholds(thresholds)
}

// mapping is the text and colour of a value.
type mapping struct{ value, text, colour string }

// words shows the last value of each series as a text on its colour.
func words(title, description string, width uint32, of ...mapping) *wordPanel {
	results := map[string]dashboard.ValueMappingResult{}
	for _, m := range of {
		results[m.value] = dashboard.ValueMappingResult{Text: cog.ToPtr(m.text), Color: cog.ToPtr(m.colour)}
	}
	p := number(title, description, width, levels(threshold{"text", nil}))
	return &wordPanel{p.TextMode(common.BigValueTextModeValueAndName).Mappings([]dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: results}}})}
}

// wordPanel takes its only query like the others.
type wordPanel struct{ *stat.PanelBuilder }

func (p *wordPanel) WithTarget(q *target) *stat.PanelBuilder {
	return p.PanelBuilder.WithTarget(q.RefId(letter(0)).Instant())
}

// lines shows series over time.
func lines(title, description string, width uint32, queries ...*target) *timeseries.PanelBuilder {
	p := timeseries.NewPanelBuilder().Title(title).Description(description).Datasource(source).Span(width).Height(lineHeight).
		Interval(scrapeInterval).LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeAuto).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for i, q := range queries {
		p.WithTarget(q.RefId(letter(i)).Range())
	}
	return p
}

// bars are lines with stacked series.
func bars(title, description string, width uint32, queries ...*target) *timeseries.PanelBuilder {
	return lines(title, description, width, queries...).DrawStyle(common.GraphDrawStyleBars).FillOpacity(80).LineWidth(0).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
}

func letter(i int) string { return string(rune('A' + i)) }

type threshold struct {
	colour string
	from   *float64
}

func levels(steps ...threshold) *dashboard.ThresholdsConfigBuilder {
	var list []dashboard.Threshold
	for _, s := range steps {
		list = append(list, dashboard.Threshold{Color: s.colour, Value: s.from})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(list)
}

func redFrom(value float64) *dashboard.ThresholdsConfigBuilder {
	return levels(threshold{"green", nil}, threshold{"red", &value})
}

func greenFrom(value float64) *dashboard.ThresholdsConfigBuilder {
	return levels(threshold{"red", nil}, threshold{"green", &value})
}

type overrides = []cog.Builder[dashboard.DashboardFieldConfigSourceOverrides]

// colours sets the colours of series, by name.
func colours(of map[string]string) overrides { return coloured("byName", of) }

func stateColours() overrides {
	return colours(map[string]string{"succeeded": "green", "failed": "red", "interrupted": "orange", "cancelled": "yellow"})
}

// failureColours distinguish failures that need attention from decisions.
func failureColours() overrides {
	return coloured("byRegexp", map[string]string{"/^failed: (error|deadline_passed)$/": "red", "/^failed: (given_up|invalid_input)$/": "orange", "/^not begun$/": "red"})
}

func codeColours() overrides {
	return coloured("byRegexp", map[string]string{"/^[123]../": "green", "/^4../": "orange", "/^5../": "red", "/^none$/": "purple"})
}

func coloured(matcher string, of map[string]string) overrides {
	var list overrides
	for _, name := range slices.Sorted(maps.Keys(of)) {
		list = append(list, dashboard.NewDashboardFieldConfigSourceOverridesBuilder().
			Matcher(dashboard.MatcherConfig{Id: matcher, Options: name}).
			Properties([]dashboard.DynamicConfigValue{{Id: "color", Value: map[string]string{"mode": "fixed", "fixedColor": of[name]}}}))
	}
	return list
}
