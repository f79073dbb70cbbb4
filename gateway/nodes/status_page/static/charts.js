// The last hour or the last day of a meter in four charts with one cursor. A time without telegrams is a gap, and
// only what is fresh is called "now".

import { dropdown, h, make, render, s, segments } from "./dom.js";
import { area, axes, hatch, limited, nice, path, picture, powerTicks, runs, scales, silences, TOP } from "./drawing.js";
import { isKnown, pointsOf, series } from "./series.js";
import { table } from "./table.js";
import { fixed, hours, moment, signed, t } from "./texts.js";

const SPANS = { hour: 3600, day: 86_400 };
const LIMITS_V = [207, 253];
const BEYOND_V = 4; // space above and below the limits
const PHASES = [1, 2, 3];
const LEFT = 44;
const LABEL_HEIGHT = 14;
const JUMP = 10;
const REDRAW_S = 10;

const COLUMNS = {
  w: "power_mean_w", low: "power_lowest_w", high: "power_highest_w", p1: "power_l1_w", p2: "power_l2_w", p3: "power_l3_w",
  v1: "voltage_l1_lowest_v", v2: "voltage_l2_lowest_v", v3: "voltage_l3_lowest_v",
  V1: "voltage_l1_highest_v", V2: "voltage_l2_highest_v", V3: "voltage_l3_highest_v", interval: "longest_interval_s", refused: "refused",
};

export function create(gateway, refresh) {
  const kept = { hour: series(), day: series() };
  const state = { meter: gateway.path[0] ?? null, range: "hour", at: null };
  const charts = [powerChart(), phaseChart(), voltageChart(), intervalChart()].map((kind) => chart(kind, state, move));
  const [tools, rows] = [make(h("div.bar")), make(h("div"))];
  const details = make(h("details.as-table", { ontoggle: showTable }, h("summary", t("chart_table")), rows));
  const element = make(h("div", tools, h("div.g", charts.map((each) => each.element)), details));
  let asked = 0;
  let drawn = null;
  let listed = [];
  let names = [];

  // Everything that the charts need besides the buckets: the end of what is known, and whether that is now.
  function context() {
    const meter = gateway.event?.meters.find(({ name }) => name === state.meter);
    if (!meter) return null;
    const { age, isServed } = gateway.stateOf(meter);
    const at = gateway.now();
    return { meter, at, isServed, end: isServed ? at : age === null ? null : at - age, span: SPANS[state.range], range: state.range };
  }

  function show() {
    const around = context();
    const { data } = kept[state.range];
    const points = around && data?.meter === state.meter ? pointsOf(data, COLUMNS).filter(({ at }) => at > around.at - around.span) : [];
    drawn = around;
    if (around) around.end ??= (points.findLast(isKnown)?.at ?? 0) + (data?.bucket_s ?? 0) / 2;
    for (const each of charts) each.draw(points, around, data?.bucket_s ?? 10);
    listed = points.filter((point) => point.at <= around.end || isKnown(point)).reverse();
    details.hidden = !listed.length;
    showTable();
    showTools();
  }

  function showTools() {
    const choose = (changes) => {
      Object.assign(state, changes, { at: null });
      asked = 0;
      show();
    };
    render(tools, h("h1", t("charts")),
      segments(t("chart_range"), ["hour", "day"].map((range) => [range, t(`chart_${range}`)]), state.range,
        (range) => { choose({ range }); refresh(); }),
      names.length > 1 && dropdown(names.map((name) => [name, name]), state.meter, (meter) => { choose({ meter }); gateway.restream(); },
        { "aria-label": t("meter") }),
      h("span.grow"), h("span.soft.small.wide-only", t("chart_hint")),
      h("button", { disabled: !listed.length, onclick: () => download(kept[state.range].data) }, t("chart_csv")));
  }

  // The same numbers as a table, made only while it is open.
  function showTable() {
    if (!details.open) return;
    const watts = (value) => (value === null ? "—" : signed(value));
    const row = (point) => [watts(point.w), watts(point.low), watts(point.high), point.interval === null ? "—" : fixed(point.interval, 1),
      fixed(point.refused)];
    const columns = [["chart_power", " (W)"], ["chart_lowest", " (W)"], ["chart_highest", " (W)"], ["chart_longest", " (s)"], ["chart_refused", ""]];
    render(rows, table(t("chart_table"), [["time"], ...columns.map(([name, unit]) => h("th.num", { scope: "col" }, t(name) + unit))],
      listed.map((point) => h("tr", h("td", moment(point.at)),
        isKnown(point) ? row(point).map((text) => h("td.num", text)) : h("td.soft", { colspan: 5 }, t("chart_no_telegrams")))), { kind: ".tall" }));
  }

  function move(at) {
    state.at = at;
    for (const each of charts) each.read();
  }

  return {
    element,
    get stream() { return { view: "now", meter: state.meter ?? "" }; },
    update() {
      state.meter = gateway.event.meter?.name ?? null;
      // An event names all meters where they are few.
      const few = gateway.event.meters.map(({ name }) => name);
      if (few.length === gateway.meterCount()) names = few;
      showTools();
    },
    // Readings that become stale lose their "now" at that moment, with or without an event.
    tick() {
      const around = context();
      if (around && (around.isServed !== drawn?.isServed || around.at - drawn.at > REDRAW_S)) show();
    },
    resize: show,
    async refresh() {
      const { meter, range } = state;
      const known = kept[range];
      if (meter === null) return;
      if (!names.length) names = (await gateway.get("api/status")).meters.map(({ name }) => name);
      const isMine = known.data?.meter === meter;
      if (isMine && gateway.event.at < asked) return;
      const newer = await gateway.get("api/series", { meter, range, since: isMine ? known.since : 0 });
      known.merge(newer);
      asked = newer.at + REDRAW_S;
      if (range === state.range) show();
    },
  };
}

function chart(kind, state, move) {
  const readout = make(h("p.readout"));
  const spoken = make(h("span.vh", { role: "status" }));
  const box = make(h("div.plot"));
  const title = t(kind.title);
  const element = make(h(`section.card.chart.${kind.size}`,
    { tabindex: 0, role: "group", "aria-label": title, "aria-description": t("chart_hint"), onkeydown: key, onpointermove: point,
      onpointerleave: () => move(null) },
    h("div.hd", h("h2", `${title} `, h("span.soft.small", kind.unit)), readout), box, spoken));
  const cursor = make(s("g"));
  let drawn = null;

  function nearest(at) {
    return drawn.points.reduce((best, each) => (Math.abs(each.at - at) < Math.abs(best.at - at) ? each : best));
  }

  // The time at the cursor, and what it is called; without a cursor, that of the newest telegram.
  function whenOf(at) {
    const { around, bucketS } = drawn;
    if (at !== null) return hours(at);
    if (!around.isServed) return t("chart_last", { at: hours(around.end) });
    return around.range === "hour" ? t("axis_now") : t("chart_newest", { n: fixed(bucketS / 60) });
  }

  function read() {
    const isAtCursor = state.at !== null;
    const shown = drawn && (isAtCursor ? nearest(state.at) : drawn.known.at(-1));
    render(readout, shown && [h("span.soft", whenOf(isAtCursor ? shown.at : null)),
      isKnown(shown) ? kind.read(shown, isAtCursor ? null : drawn.known) : h("b", t("chart_nothing"))]);
    if (!drawn) return;
    const { x, y, floor } = drawn;
    render(cursor, isAtCursor && [s("path.cursor", { d: `M${x(shown.at)} ${TOP}V${floor}` }),
      isKnown(shown) && kind.values(shown).map((value) => value !== null && s("circle.dot", { r: 3.5, cx: x(shown.at), cy: y(value) }))]);
  }

  function point(event) {
    if (!drawn) return;
    const { left, edge, around } = drawn;
    const share = (event.clientX - box.getBoundingClientRect().left - left) / (edge - left);
    move(share < 0 || share > 1 ? null : around.at - (1 - share) * around.span);
  }

  function key(event) {
    if (!drawn) return;
    const { points } = drawn;
    const [last, isAtCursor] = [points.length - 1, state.at !== null];
    const index = isAtCursor ? points.indexOf(nearest(state.at)) : last;
    const step = event.shiftKey ? JUMP : 1;
    const wanted = { ArrowLeft: index - (isAtCursor && step), ArrowRight: index + step, Home: 0, End: last, Escape: null }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    move(wanted === null ? null : points[limited(wanted, 0, last)].at);
    render(spoken, wanted === null ? "" : readout.textContent);
  }

  return {
    element,
    read,
    draw(all, around, bucketS) {
      const known = all.filter((each) => isKnown(each) && kind.values(each).some((value) => value !== null));
      // A meter that sends no such reading, or hundreds of meters, have no such chart.
      element.hidden = kind.isOptional && !known.length;
      drawn = null;
      if (known.length) {
        const [width, ticks] = [Math.max(260, box.clientWidth), kind.ticks(known, around)];
        // Beyond the last telegram nothing is known. While it is fresh, the newest bucket reaches to now.
        const points = all.filter((each) => each.at <= around.end || each === known.at(-1));
        drawn = { points, known, around, bucketS, ticks, ...scales({ ...kind, width, left: LEFT, ticks, ...around }) };
        const count = width < 420 ? 4 : width < 700 ? 6 : around.range === "hour" ? 7 : 9;
        render(box, picture(width, kind.height, { role: "img", "aria-label": kind.describe(known) }, kind.back?.(drawn),
          axes(drawn, { ...around, ...kind, ticks: kind.labelled?.(ticks) ?? ticks, count }), holes(drawn, kind), kind.draw(drawn), cursor));
      } else render(box, h("p.empty", t("chart_empty")));
      read();
    },
  };
}

// The times without telegrams, each with its begin and end in the main chart.
function holes({ points, around, x, left, edge, floor, bucketS }, { namesGaps }) {
  return silences(points, bucketS, around).map(([from, to]) => {
    const [begin, end] = [x(from), x(to)];
    const isOpen = to === around.at;
    const place = end > edge - 60 ? { x: end - 4, "text-anchor": "end" } : { x: (begin + end) / 2, "text-anchor": "middle" };
    const words = isOpen ? t("chart_since", { at: hours(from) }) : `${hours(from)}–${hours(to)}`;
    const isNamed = namesGaps && (end - begin > 40 || isOpen);
    return s("g", hatch(begin, end, TOP, floor - TOP),
      isNamed && [t("chart_no_telegrams"), words].map((text, line) => s("text.gap-label", { y: TOP + 15 + 15 * line, ...place }, text)));
  });
}

const kw = (watts) => (watts === null ? null : watts / 1000);
const range = (key, values, text) => t(key, { lowest: text(Math.min(...values)), highest: text(Math.max(...values)) });
const watts = (value) => `${signed(value)} W`;

function powerChart() {
  const ends = (known) => known.flatMap(({ low, high }) => [low, high]);
  return {
    title: "chart_power", unit: "kW", size: "s12", height: 206, right: 14, isSigned: true, namesGaps: true,
    values: ({ w }) => [kw(w)],
    ticks: (known) => powerTicks(ends(known).map(kw)),
    describe: (known) => range("chart_power_label", ends(known), watts),
    draw: ({ points, x, y, around }) => area(points, (point) => isKnown(point) && point.w !== null, ({ at }) => x(Math.min(at, around.end)),
      ({ w }) => y(kw(w)), y(0)),
    read: ({ w, low, high }) => w !== null && [
      h("b", { class: w < 0 ? "exp" : "imp" }, `${w < 0 ? "↑" : "↓"} ${t(w < 0 ? "chart_export" : "chart_import", { w: fixed(Math.abs(w)) })}`),
      h("span.soft", t("chart_between", { lowest: signed(low), highest: signed(high) }))],
  };
}

// A chart with a line for each phase, whose name is at the end. `value` returns what is shown of a phase, or null.
function phased(value, text, kind) {
  const has = (phase) => (point) => isKnown(point) && value(point, phase) !== null;
  const values = (point) => PHASES.map((phase) => value(point, phase)).filter((each) => each !== null);
  return {
    size: "s6", height: 168, right: 30, isOptional: true, values,
    ticks: (known) => powerTicks(known.flatMap(values)),
    describe: (known) => range("chart_phases_label", known.flatMap(values), (each) => watts(1000 * each)),
    draw({ points, known, x, y, edge, around: { end } }) {
      const place = (phase) => (point) => [x(Math.min(point.at, end)), y(value(point, phase))];
      const line = (phase) => runs(points, has(phase)).map((run) => path(run.map(place(phase)))).join("");
      const names = PHASES.map((phase) => ({ phase, last: known.findLast(has(phase)) })).filter(({ last }) => last)
        .map(({ phase, last }) => ({ phase, place: y(value(last, phase)) })).sort((one, other) => one.place - other.place);
      // The names are moved apart where they would cover each other.
      names.reduce((least, each) => (each.place = Math.max(each.place, least)) + LABEL_HEIGHT, 0);
      return [PHASES.map((phase) => s(`path.phase.phase-${phase}`, { d: line(phase) })),
        names.map(({ phase, place }) => s("text", { x: edge + 7, y: place + 4 }, `L${phase}`))];
    },
    read: (point) => PHASES.filter((phase) => has(phase)(point)).map((phase) => h("span",
      s("svg.key", { width: 20, height: 4, "aria-hidden": "true" }, s(`path.phase.phase-${phase}`, { d: "M0 2H20" })),
      `L${phase} `, h("b", { class: kind.isBad?.(point, phase) && "bad" }, text(value(point, phase))))),
    ...kind,
  };
}

function phaseChart() {
  return phased((point, phase) => kw(point[`p${phase}`]), (value) => signed(value, 2), { title: "chart_phases", unit: "kW", isSigned: true });
}

function voltageChart() {
  const [lowest, highest] = LIMITS_V;
  const ends = (known) => known.flatMap((point) => PHASES.flatMap((phase) => [point[`v${phase}`], point[`V${phase}`]]))
    .filter((value) => value !== null);
  const mean = (point, phase) => (point[`v${phase}`] === null ? null : (point[`v${phase}`] + point[`V${phase}`]) / 2);
  return phased(mean, (value) => fixed(value, 1), {
    title: "chart_voltage", unit: "V",
    isBad: (point, phase) => point[`V${phase}`] > highest || point[`v${phase}`] < lowest,
    ticks(known) {
      const [low, high] = [Math.min(lowest - BEYOND_V, ...ends(known)), Math.max(highest + BEYOND_V, ...ends(known))];
      return [low < lowest - BEYOND_V ? 10 * Math.floor(low / 10) : low, lowest, 220, 230, 240, highest,
        high > highest + BEYOND_V ? 10 * Math.ceil(high / 10) : high];
    },
    labelled: (ticks) => ticks.filter((tick) => tick !== lowest - BEYOND_V && tick !== highest + BEYOND_V),
    describe: (known) => range("chart_voltage_label", ends(known), (value) => `${fixed(value, 1)} V`),
    back: ({ y, left, edge }) => [s("rect.allowed", { x: left, y: y(highest), width: edge - left, height: y(lowest) - y(highest) }),
      LIMITS_V.map((limit) => s("path.limit", { d: `M${left} ${y(limit)}H${edge}` }))],
  });
}

function intervalChart() {
  const refusedIn = (points) => points.reduce((sum, { refused }) => sum + refused, 0);
  return {
    title: "chart_interval", unit: "s", size: "s12", height: 100, right: 14,
    values: ({ interval }) => [interval],
    ticks(known, { meter: { late_after_s: late } }) {
      return nice(0, Math.max(1.3 * late, ...known.map(({ interval }) => Math.min(interval, 4 * late))), 2);
    },
    describe: (known) => t("chart_interval_label", { longest: `${fixed(Math.max(...known.map(({ interval }) => interval)), 1)} s`,
      refused: refusedIn(known) }),
    draw({ points, known, x, y, left, edge, around, bucketS, ticks }) {
      const { late_after_s: late } = around.meter;
      const width = Math.max(1.5, (edge - left) * bucketS / around.span - 0.6);
      return [s("path.limit", { d: `M${left} ${y(late)}H${edge}` }),
        s("text.limit-label", { x: edge, y: y(late) - 5, "text-anchor": "end" }, t("age_mark_late")),
        known.map(({ at, interval }) => {
          const top = y(Math.min(interval, ticks.at(-1)));
          return s(`rect.beat.${interval > late ? "long" : "plain"}`,
            { x: Math.min(edge - width, x(at) - width / 2), y: top, width, height: y(0) - top });
        }),
        points.filter(({ refused }) => refused).map(({ at }) => s("path.refused", { d: `M${x(at) - 4} ${TOP + 2}l8 8m0-8l-8 8` }))];
    },
    read: ({ interval, refused }, known) => [
      h("span", `${t("chart_longest")} `, h("b", `${fixed(interval ?? 0, 1)} s`)),
      h("span", `${t("chart_refused")} `, h("b", { class: refused && "bad" }, fixed(known ? refusedIn(known) : refused)))],
  };
}

function download({ meter, bucket_s: length, first, columns }) {
  const names = Object.keys(columns);
  const rows = columns.telegrams.map((_, index) => [new Date(1000 * (first + index * length)).toISOString(),
    ...names.map((name) => columns[name][index])]);
  const text = [["time", ...names], ...rows].map((row) => `${row.join(",")}\r\n`).join("");
  const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make(h("a", { href, download: `${meter}-${length === 300 ? "day" : "hour"}.csv` })).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
