// The last hour or the last day of a meter in four charts with one cursor. A time without telegrams is a gap, and
// only what is fresh is called "now".

import { h, make, memo, render, s, segments, table, textOf } from "./dom.js";
import { isKnown, linesOf, nice, outline, picture, plot, POWER, powerTicks, series, TOP, watts } from "./drawing.js";
import { meterChoice } from "./marks.js";
import { hours, moment, number, signed, t } from "./texts.js";

const [LOWEST_V, HIGHEST_V] = [207, 253];
const PHASES = [1, 2, 3];
const numeric = (name, key, write, digits) => [name, "num", (point) => write(point[key], digits)];
const TABLE = [
  ["time", null, ({ at }) => moment(at)],
  numeric("fleet_power", "power_mean_w", signed),
  numeric("chart_lowest", "power_lowest_w", signed),
  numeric("chart_highest", "power_highest_w", signed),
  numeric("chart_longest_s", "longest_interval_s", number, 1),
  numeric("chart_refused", "refused", number),
];

export function create(gateway, refresh) {
  const kept = { hour: series("hour"), day: series("day") };
  const charts = [powerChart, phaseChart, voltageChart, intervalChart].map((kind) => ({ kind, drawn: memo() }));
  const rows = memo();
  const element = make(h("div"));
  let [range, cursorAt] = ["hour", null];
  let past = { points: [] };
  let chosen = null; // the point at the cursor

  function show() {
    const meter = gateway.watched();
    past = meter ? kept[range].known(meter) : { points: [] };
    chosen = cursorAt === null ? null : past.points.findLast(({ at }) => at - past.bucketS / 2 <= cursorAt) ?? past.points[0];
    const box = element.querySelector(".plot");
    render(element, h("div.bar",
      segments(t("chart_range"), ["hour", "day"].map((each) => [each, t(`chart_${each}`)]), range,
        (wanted) => { [range, cursorAt] = [wanted, null]; show(); refresh(); }),
      meter && meterChoice(gateway),
      h("span.grow"), h("span.soft.small.optional", t("chart_hint")),
      past.points.length > 0 && h("a.btn", { href: `download/history?${new URLSearchParams({ meter: meter.name, range })}`, download: "" }, t("chart_csv"))),
    past.points.length ? h("div.g", charts.map(chartCard)) : h("p.empty", t("chart_empty")),
    h("details", { hidden: !past.points.length }, h("summary", t("chart_table")),
      rows(past.key, () => table(t("chart_table"), TABLE, past.points.toReversed(), { kind: ".tall" }))));
    if (!box && element.querySelector(".plot")) show(); // now the space for the drawings is known
  }

  // A chart of the kind that a table below describes: its readout, its picture, and the cursor, which the pointer moves
  // and, for the keyboard, a slider that is not seen; at its end there is no cursor.
  // A meter that sends no such reading, or hundreds of meters, have no such chart.
  function chartCard({ kind, drawn }) {
    const { name, size, unit } = kind;
    const width = element.querySelector(`#chart-${name} .plot`)?.clientWidth ?? 0;
    const chart = drawn([past.key, width], () => plot(past, kind, Math.max(260, width)));
    if (!chart) return null;
    const [title, words, { points }] = [t(`chart_${name}`), readout(kind, chart), past];
    return h(`section.card.chart.${size}`, { id: `chart-${name}` },
      h("div.hd", h("h2", `${title} `, h("span.soft.small", unit)), h("p.readout", words)),
      h("input.vh", { type: "range", max: points.length, value: chosen ? points.indexOf(chosen) : points.length,
        "aria-label": title, "aria-valuetext": textOf(words), oninput: ({ target }) => move(points[target.value]?.at ?? null) }),
      h("div.plot", { onpointermove: (event) => point(event, chart), onpointerleave: () => move(null) },
        picture(chart, chart.content, chosen && cursor(kind, chart))));
  }

  // The values at the cursor; without one, the newest, which are called "now" only while they are fresh.
  function readout(kind, { known, end, isServed, span, bucketS }) {
    const shown = chosen ?? known.at(-1);
    const when = chosen ? hours(chosen.at) : !isServed ? t("chart_last", { at: hours(end) })
      : span === 3600 ? t("axis_now") : t("chart_newest", { n: bucketS / 60 });
    return [h("span.soft", when), isKnown(shown) ? kind.read(shown) : h("b", t("chart_nothing"))];
  }

  function cursor(kind, { x, y, floor }) {
    const cx = x(chosen.at);
    const places = kind.lines.map((line) => y(line(chosen))).filter(Number.isFinite);
    return [s("path.cursor", { d: `M${cx} ${TOP}V${floor}` }), places.map((cy) => s("circle.dot", { r: 3.5, cx, cy }))];
  }

  // All charts show the point at a time; null takes the cursor away.
  function move(at) {
    cursorAt = at;
    show();
  }

  function point({ clientX, currentTarget }, { left, edge, at, span }) {
    const share = (clientX - currentTarget.getBoundingClientRect().left - left) / (edge - left);
    move(share < 0 || share > 1 ? null : at - (1 - share) * span);
  }

  return {
    element,
    get stream() { return { view: "now", meter: gateway.meterName }; },
    update: show,
    tick: show,
    resize: show,
    async refresh() {
      const meter = gateway.watched();
      if (!meter) return;
      if (await kept[range].follow(gateway, meter.name)) show();
    },
  };
}

const powerChart = {
  ...POWER, unit: "kW", size: "s12", height: 206,
  read: ({ power_mean_w: mean, power_lowest_w: lowest, power_highest_w: highest }) => Number.isFinite(mean) && [
    h("b", { class: mean < 0 ? "exp" : "imp" }, mean < 0 ? "↑ " : "↓ ", t(mean < 0 ? "chart_export" : "chart_import", { w: number(mean, 0, "never") })),
    h("span.soft", t("chart_between", { lowest: signed(lowest), highest: signed(highest) }))],
};

// A chart with a line for each phase. `value` returns what is drawn of a phase at a point.
function phased(value, write, kind) {
  const lines = PHASES.map((phase) => (point) => value(point, phase));
  return {
    size: "s6", height: 168, lines,
    draw: ({ points, x, y }) => lines.map((line, index) => s(`path.phase.phase-${index + 1}`, { d: outline(linesOf(points, line, x, y)) })),
    read: (point) => PHASES.filter((phase) => Number.isFinite(value(point, phase))).map((phase) => h("span",
      s("svg.key", { width: 20, height: 4 }, s(`path.phase.phase-${phase}`, { d: "M0 2H20" })),
      `L${phase} `, h("b", { class: kind.isBad?.(point, phase) && "bad" }, write(value(point, phase))))),
    ...kind,
  };
}

const phaseChart = phased((point, phase) => point[`power_l${phase}_w`], (value) => signed(value / 1000, 2), {
  name: "phases", unit: "kW", divisor: 1000, write: signed, say: watts, ticks: powerTicks,
});

const voltages = (point, phase) => [point[`voltage_l${phase}_lowest_v`], point[`voltage_l${phase}_highest_v`]];
const middle = (point, phase) => voltages(point, phase).reduce((sum, value) => sum + value / 2, 0);

const voltageChart = phased(middle, (value) => number(value, 1), {
  name: "voltage", unit: "V",
  ends: (point) => PHASES.flatMap((phase) => voltages(point, phase)),
  isBad: (point, phase) => voltages(point, phase).some((value) => value < LOWEST_V || value > HIGHEST_V),
  ticks: (values) => [10 * Math.floor(Math.min(LOWEST_V, ...values) / 10), LOWEST_V, 220, 230, 240, HIGHEST_V,
    10 * Math.ceil(Math.max(HIGHEST_V, ...values) / 10)],
  limits: () => [LOWEST_V, HIGHEST_V],
});

const intervalChart = {
  name: "interval", unit: "s", size: "s12", height: 100,
  lines: [(point) => point.longest_interval_s],
  ticks: (intervals, { late }) => nice(0, Math.max(1.3 * late, ...intervals.map((interval) => Math.min(interval, 4 * late))), 2),
  limits: ({ late }) => [late],
  draw({ points, known, x, y, high, left, edge, late, bucketS, span }) {
    const width = Math.max(1.5, (edge - left) * bucketS / span - 0.6);
    return [s("text.limit-label", { x: edge, y: y(late) - 5, "text-anchor": "end" }, t("age_mark_late")),
      known.map(({ at, longest_interval_s: interval }) => {
        const top = y(Math.min(interval, high));
        return s(`rect.beat.${interval > late ? "long" : "plain"}`,
          { x: Math.min(edge - width, x(at) - width / 2), y: top, width, height: y(0) - top });
      }),
      points.filter(({ refused }) => refused).map(({ at }) => s("path.refused", { d: `M${x(at) - 4} ${TOP + 2}l8 8m0-8l-8 8` }))];
  },
  read: ({ longest_interval_s: interval, refused }) => [
    h("span", `${t("chart_longest")} `, h("b", `${number(interval || 0, 1)} s`)),
    h("span", `${t("chart_refused")} `, h("b", { class: refused && "bad" }, number(refused)))],
};
