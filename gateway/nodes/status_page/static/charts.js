// The last hour or the last day of a meter in four charts with one cursor. A time without telegrams is a gap, and
// only what is fresh is called "now".

import { dropdown, h, make, render, s, segments } from "./dom.js";
import { limited, linesOf, nice, outline, plot, POWER, powerTicks, refusedIn, TOP, watts } from "./drawing.js";
import { isKnown, series } from "./series.js";
import { table } from "./table.js";
import { fixed, hours, moment, signed, t } from "./texts.js";

const [LOWEST_V, HIGHEST_V] = [207, 253];
const PHASES = [1, 2, 3];
const LEFT = 44; // space for the labels of values
const LABEL_HEIGHT = 14;
const JUMP = 10;
const REDRAW_S = 10;
const TABLE = [
  ["chart_power", "W", ({ power_mean_w: mean }) => signed(mean)],
  ["chart_lowest", "W", ({ power_lowest_w: lowest }) => signed(lowest)],
  ["chart_highest", "W", ({ power_highest_w: highest }) => signed(highest)],
  ["chart_longest", "s", ({ longest_interval_s: longest }) => fixed(longest, 1)],
  ["chart_refused", null, ({ refused }) => fixed(refused)],
];

export function create(gateway, refresh) {
  const kept = { hour: series("hour"), day: series("day") };
  const charts = [powerChart, phaseChart, voltageChart, intervalChart].map((kind) => chart(kind, move));
  const [tools, rows] = [h("div.bar"), h("div")].map(make);
  const details = make(h("details.as-table", { ontoggle: showTable }, h("summary", t("chart_table")), rows));
  const element = make(h("div", tools, h("div.g", charts.map((each) => each.element)), details));
  let [chosen, range, cursorAt] = [gateway.path[0] ?? "", "hour", null];
  let past = { points: [] };
  let names = [];

  function show() {
    const meter = gateway.watched();
    past = meter ? kept[range].known(meter) : { points: [] };
    for (const each of charts) each.draw(past);
    move(cursorAt);
    details.hidden = !past.points.length;
    showTable();
    const choose = (name, wanted) => {
      [chosen, range, cursorAt] = [name, wanted, null];
      show();
      refresh();
    };
    render(tools, h("h1", t("charts")),
      segments(t("chart_range"), ["hour", "day"].map((each) => [each, t(`chart_${each}`)]), range, (wanted) => choose(chosen, wanted)),
      names.length > 1 && dropdown(names, meter?.name, (name) => { choose(name, range); gateway.restream(); },
        { "aria-label": t("meter") }),
      h("span.grow"), h("span.soft.small.wide-only", t("chart_hint")),
      past.points.length > 0 && h("a.btn", { href: `download/history?${new URLSearchParams({ meter: meter.name, range })}`, download: "" }, t("chart_csv")));
  }

  // The same numbers as a table, made only while it is open.
  function showTable() {
    if (!details.open) return;
    const heads = TABLE.map(([name, unit]) => h("th.num", { scope: "col" }, t(name), unit && ` (${unit})`));
    render(rows, table(t("chart_table"), [["time"], ...heads], past.points.toReversed().map((point) => h("tr", h("td", moment(point.at)),
      isKnown(point) ? TABLE.map(([, , text]) => h("td.num", text(point))) : h("td.soft", { colspan: TABLE.length }, t("chart_no_telegrams")))),
    { kind: ".tall" }));
  }

  // All charts show the point nearest to a time; null takes the cursor away.
  function move(at) {
    cursorAt = at;
    const distance = (point) => Math.abs(point.at - at);
    const nearest = at === null ? null : past.points.reduce((best, each) => (best && distance(best) <= distance(each) ? best : each), null);
    for (const each of charts) each.read(nearest);
  }

  // Readings that become stale lose their "now" at that moment, with or without an event.
  function tick() {
    const meter = gateway.watched();
    if (!meter || meter.isServed !== past.isServed || meter.at - past.at > REDRAW_S) show();
  }

  return {
    element,
    get stream() { return { view: "now", meter: chosen }; },
    update: tick,
    tick,
    resize: show,
    async refresh() {
      const meter = gateway.watched();
      if (!meter) return;
      if (names.length !== gateway.meterCount()) names = (await gateway.get("api/status")).meters.map(({ name }) => name);
      if (await kept[range].follow(gateway, meter.name)) show();
    },
  };
}

// A chart of the kind that a table below describes: its picture, the readout, and the cursor for pointer and keyboard.
function chart(kind, move) {
  const [readout, box, cursor] = [h("p.readout"), h("div.plot"), s("g")].map(make);
  const title = t(kind.title);
  const element = make(h(`section.card.chart.${kind.size}`,
    { tabindex: 0, role: "group", "aria-label": title, "aria-description": t("chart_hint"), onkeydown: key, onpointermove: point,
      onpointerleave: () => move(null) },
    h("div.hd", h("h2", `${title} `, h("span.soft.small", kind.unit)), readout), box));
  let drawn = null;
  let chosen = null;

  // The time at the cursor, and what it is called; without a cursor, that of the newest telegram.
  function when() {
    const { end, isServed, span, bucketS } = drawn;
    if (chosen) return hours(chosen.at);
    if (!isServed) return t("chart_last", { at: hours(end) });
    return span === 3600 ? t("axis_now") : t("chart_newest", { n: fixed(bucketS / 60) });
  }

  function point({ clientX }) {
    if (!drawn) return;
    const { left, edge, at, span } = drawn;
    readout.ariaLive = "off";
    const share = (clientX - box.getBoundingClientRect().left - left) / (edge - left);
    move(share < 0 || share > 1 ? null : at - (1 - share) * span);
  }

  function key(event) {
    if (!drawn) return;
    const { points } = drawn;
    const index = chosen ? points.indexOf(chosen) : points.length;
    const step = event.shiftKey ? JUMP : 1;
    const wanted = { ArrowLeft: index - step, ArrowRight: index + step, Home: 0, End: points.length, Escape: null }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    readout.ariaLive = wanted === null ? "off" : "polite"; // only the keyboard makes it speak
    move(wanted === null ? null : points[limited(wanted, 0, points.length - 1)].at);
  }

  return {
    element,
    draw(past) {
      element.hidden = false; // a hidden element has no width
      drawn = plot(past, kind, Math.max(260, box.clientWidth), cursor);
      // A meter that sends no such reading, or hundreds of meters, have no such chart.
      element.hidden = kind.isOptional && !drawn;
      render(box, drawn ? drawn.drawing : h("p.empty", t("chart_empty")));
    },
    read(nearest) {
      chosen = nearest;
      const shown = drawn && (chosen ?? drawn.known.at(-1));
      render(readout, shown && [h("span.soft", when()), isKnown(shown) ? kind.read(shown, chosen ? [shown] : drawn.known) : h("b", t("chart_nothing"))]);
      if (!drawn) return;
      const { x, y, floor } = drawn;
      const places = kind.lines.map((line) => y(line(shown))).filter(Number.isFinite);
      render(cursor, chosen && [s("path.cursor", { d: `M${x(chosen.at)} ${TOP}V${floor}` }),
        places.map((cy) => s("circle.dot", { r: 3.5, cx: x(chosen.at), cy }))]);
    },
  };
}

const powerChart = {
  ...POWER, title: "chart_power", label: "chart_power_label", unit: "kW", size: "s12", height: 206, left: LEFT, right: 14, hole: holeLabel,
  read: ({ power_mean_w: mean, power_lowest_w: lowest, power_highest_w: highest }) => Number.isFinite(mean) && [
    h("b", { class: mean < 0 ? "exp" : "imp" }, mean < 0 ? "↑ " : "↓ ", t(mean < 0 ? "chart_export" : "chart_import", { w: fixed(Math.abs(mean)) })),
    h("span.soft", t("chart_between", { lowest: signed(lowest), highest: signed(highest) }))],
};

// The begin and the end of a time without telegrams, where there is space for them.
function holeLabel({ x, edge, at }, from, to) {
  const [begin, end, isOpen] = [x(from), x(to), to === at];
  if (end - begin <= 40 && !isOpen) return null;
  const centre = Math.min((begin + end) / 2, edge - 44);
  const words = isOpen ? t("chart_since", { at: hours(from) }) : `${hours(from)}–${hours(to)}`;
  return [t("chart_no_telegrams"), words].map((text, line) => s("text.gap-label", { x: centre, y: TOP + 15 + 15 * line, "text-anchor": "middle" }, text));
}

// A chart with a line for each phase. `value` returns what is drawn of a phase at a point.
function phased(value, write, kind) {
  const lines = PHASES.map((phase) => (point) => value(point, phase));
  return {
    size: "s6", height: 168, left: LEFT, right: 30, isOptional: true, lines, write: fixed,
    draw: ({ points, known, x, y, edge }) => [lines.map((line, index) => s(`path.phase.phase-${index + 1}`, { d: outline(linesOf(points, line, x, y)) })),
      names(lines.map((line) => y(known.map(line).findLast(Number.isFinite)))).map(([name, place]) => s("text", { x: edge + 7, y: place + 4 }, name))],
    read: (point) => PHASES.filter((phase) => Number.isFinite(value(point, phase))).map((phase) => h("span",
      s("svg.key", { width: 20, height: 4 }, s(`path.phase.phase-${phase}`, { d: "M0 2H20" })),
      `L${phase} `, h("b", { class: kind.isBad?.(point, phase) && "bad" }, write(value(point, phase))))),
    ...kind,
  };
}

// The names of the phases at the ends of their lines, moved apart where they would cover each other.
function names(places) {
  const found = places.map((place, index) => [`L${index + 1}`, place]).filter(([, place]) => place).sort(([, one], [, other]) => one - other);
  found.reduce((least, each) => (each[1] = Math.max(each[1], least)) + LABEL_HEIGHT, 0);
  return found;
}

const phaseChart = phased((point, phase) => point[`power_l${phase}_w`], (value) => signed(value / 1000, 2), {
  title: "chart_phases", label: "chart_phases_label", unit: "kW", divisor: 1000, write: signed, say: watts, ticks: powerTicks,
  ends: (point) => PHASES.map((phase) => point[`power_l${phase}_w`]),
});

const voltages = (point, phase) => [point[`voltage_l${phase}_lowest_v`], point[`voltage_l${phase}_highest_v`]];
const middle = (point, phase) => voltages(point, phase).reduce((sum, value) => sum + value / 2, 0);

const voltageChart = phased(middle, (value) => fixed(value, 1), {
  title: "chart_voltage", label: "chart_voltage_label", unit: "V", say: (value) => `${fixed(value, 1)} V`,
  ends: (point) => PHASES.flatMap((phase) => voltages(point, phase)),
  isBad: (point, phase) => voltages(point, phase).some((value) => value < LOWEST_V || value > HIGHEST_V),
  ticks: (values) => [10 * Math.floor(Math.min(LOWEST_V, ...values) / 10), LOWEST_V, 220, 230, 240, HIGHEST_V,
    10 * Math.ceil(Math.max(HIGHEST_V, ...values) / 10)],
  limits: () => [LOWEST_V, HIGHEST_V],
  back: ({ y, left, edge }) => s("rect.allowed", { x: left, y: y(HIGHEST_V), width: edge - left, height: y(LOWEST_V) - y(HIGHEST_V) }),
});

const intervalChart = {
  title: "chart_interval", label: "chart_interval_label", unit: "s", size: "s12", height: 100, left: LEFT, right: 14, write: fixed,
  say: (value) => `${fixed(value, 1)} s`,
  lines: [(point) => point.longest_interval_s],
  ends: (point) => [point.longest_interval_s],
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
  read: ({ longest_interval_s: interval }, points) => [
    h("span", `${t("chart_longest")} `, h("b", `${fixed(interval || 0, 1)} s`)),
    h("span", `${t("chart_refused")} `, h("b", { class: refusedIn(points) && "bad" }, fixed(refusedIn(points))))],
};
