// Draws dashboard.json with Grafana's own panel parts (@grafana/ui: TimeSeries, BigValue, PanelChrome) and
// its own units, thresholds, mappings and overrides (@grafana/data), with what a Prometheus answers now.
// Not Grafana: variables are replaced and queries sent as below.
//
//   index.html?prometheus=URL&seconds=300
import React from 'react';
import { createRoot } from 'react-dom/client';
import { FieldConfigOptionsRegistry, FieldType, applyFieldOverrides, createTheme, dateTime, getFieldDisplayValues, toDataFrame } from '@grafana/data';
import { BigValue, PanelChrome, ThemeContext, TimeSeries, VizRepeater } from '@grafana/ui';

const asked = new URLSearchParams(location.search);
const prometheus = asked.get('prometheus');
const seconds = Number(asked.get('seconds') || 300);
const to = Date.now();
const from = to - seconds * 1000;
const range = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
const step = Math.max(1, Math.round(seconds / 150));
const theme = createTheme({ colors: { mode: 'dark' } });
const asIs = (value) => value;

// The options of fields that the dashboard uses; Grafana's server registers all of them.
const registry = new FieldConfigOptionsRegistry();
const option = (id, path, isCustom) =>
  registry.register({ id, path, isCustom, name: id, process: asIs, shouldApply: () => true, editor: () => null, override: () => null, settings: {} });
['unit', 'decimals', 'min', 'max', 'thresholds', 'mappings', 'noValue', 'color'].forEach((id) => option(id, id, false));
['drawStyle', 'lineWidth', 'fillOpacity', 'showPoints', 'stacking', 'lineInterpolation'].forEach((id) => option('custom.' + id, id, true));

const named = (format, labels) => format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? '');

// ask gives the frames of a query, with a gap wherever there is no sample.
async function ask(target) {
  const expr = target.expr
    .replaceAll('$__rate_interval', Math.max(4 * step, 10) + 's').replaceAll('$__range', seconds + 's').replaceAll('$connection', '.*');
  const when = target.instant ? { time: to / 1000 } : { start: from / 1000, end: to / 1000, step };
  const response = await fetch(`${prometheus}/api/v1/${target.instant ? 'query' : 'query_range'}?` + new URLSearchParams({ query: expr, ...when }));
  const answer = await response.json();
  if (answer.status !== 'success') throw new Error(answer.error);
  return answer.data.result.map(({ metric, value, values }) => {
    const samples = new Map((values || [value]).map(([at, v]) => [Math.round(at * 1000), Number(v)]));
    const times = target.instant ? [...samples.keys()] : Array.from({ length: Math.floor((to - from) / (step * 1000)) + 1 }, (_, i) => from + i * step * 1000);
    const numbers = times.map((at) => samples.get(at) ?? null).map((v) => (Number.isNaN(v) ? null : v));
    return toDataFrame({ refId: target.refId, fields: [
      { name: 'Time', type: FieldType.time, values: times, config: {} },
      { name: 'Value', type: FieldType.number, values: numbers, labels: metric, config: { displayNameFromDS: named(target.legendFormat, metric) } }] });
  });
}

function Numbers({ panel, data, width, height }) {
  const values = getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, replaceVariables: asIs, theme, data, timeZone: 'utc' });
  const { colorMode, graphMode, justifyMode, textMode } = panel.options;
  return <VizRepeater source={data} getValues={() => values} width={width} height={height} orientation="auto" itemSpacing={3} autoGrid renderCounter={0}
    renderValue={({ value, width, height }) => <BigValue value={value.display} count={values.length} {...{ theme, width, height, colorMode, graphMode, justifyMode, textMode }} />} />;
}

function Panel({ panel, width, height }) {
  const [state, setState] = React.useState({ is: 'pending' });
  React.useEffect(() => {
    Promise.all(panel.targets.map(ask)).then((answers) => {
      const { defaults, overrides } = panel.fieldConfig;
      const color = { mode: panel.type === 'stat' ? 'thresholds' : 'palette-classic' };
      const data = applyFieldOverrides({ data: answers.flat(), fieldConfig: { defaults: { color, custom: {}, ...defaults }, overrides: overrides || [] },
        fieldConfigRegistry: registry, replaceVariables: asIs, theme, timeZone: 'utc' });
      setState({ is: data.length ? 'drawn' : 'empty', data });
    }).catch((error) => setState({ is: 'failed', error }));
  }, []);
  const body = (width, height) => {
    if (state.is === 'pending') return null;
    if (state.is === 'failed') return <div className="empty">{String(state.error)}</div>;
    if (state.is === 'empty') return <div className="empty">{panel.fieldConfig.defaults.noValue || 'No data'}</div>;
    if (panel.type === 'stat') return <Numbers {...{ panel, width, height }} data={state.data} />;
    return <TimeSeries frames={state.data} timeRange={range} timeZone="utc" structureRev={1} legend={panel.options.legend} options={{}} {...{ width, height }} />;
  };
  return <div data-panel={panel.title} data-state={state.is}>
    <PanelChrome title={panel.title} width={width} height={height}>{body}</PanelChrome>
  </div>;
}

const cell = { width: 76, height: 38, gap: 8 };

function Board({ panels }) {
  const end = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  return <div style={{ position: 'relative', width: 24 * cell.width, height: end * cell.height, margin: cell.gap }}>
    {panels.map((panel) => {
      const { x, y, w, h } = panel.gridPos;
      const [width, height] = [w * cell.width - cell.gap, h * cell.height - cell.gap];
      return <div key={panel.id} style={{ position: 'absolute', left: x * cell.width, top: y * cell.height, width, height }}>
        {panel.type === 'row' ? <h2>{panel.title}</h2> : <Panel {...{ panel, width, height }} />}
      </div>;
    })}
  </div>;
}

const board = await (await fetch('dashboard.json')).json();
createRoot(document.getElementById('root')).render(<ThemeContext.Provider value={theme}><Board panels={board.panels} /></ThemeContext.Provider>);
