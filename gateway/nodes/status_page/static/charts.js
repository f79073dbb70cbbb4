// The last hour or the last day of a meter in four charts with one cursor. A time without telegrams is a gap, and
// only what is fresh is called "now".

import { h, s, setText } from "./dom.js";
import { area, digitsOf, gaps, hatch, nice, path, runs, timeAxis } from "./drawing.js";
import { fromFirst, isKnown, pointsOf, series } from "./series.js";
import { fixed, hours, moment, signed, t } from "./texts.js";

const SPANS = { hour: 3600, day: 86_400 };
const LIMITS_V = [207, 253];
const PHASES = [1, 2, 3];
const [LEFT, TOP, BOTTOM] = [44, 8, 24];
const LABEL_HEIGHT = 14;
const JUMP = 10;
const REDRAW_S = 10;

const COLUMNS = {
  w: "power_mean_w", low: "power_lowest_w", high: "power_highest_w", p1: "power_l1_w", p2: "power_l2_w", p3: "power_l3_w",
  v1: "voltage_l1_lowest_v", v2: "voltage_l2_lowest_v", v3: "voltage_l3_lowest_v", V1: "voltage_l1_highest_v", V2: "voltage_l2_highest_v", V3: "voltage_l3_highest_v",
  interval: "longest_interval_s", refused: "refused",
};

export function create(gateway, refresh) {
  const state = { meter: gateway.path[0] ?? null, range: "hour", at: null };
  const kept = { hour: series(), day: series() };
  const charts = [powerChart(), phaseChart(), voltageChart(), intervalChart()].map((kind) => chart(kind, state, move));
  const ranges = h("span", { class: "seg", role: "group", "aria-label": t("chart_range") }, ["hour", "day"].map((range) => h("button", { "data-range": range, onclick: () => { state.range = range; state.at = null; asked = 0; show(); refresh(); } }, t(`chart_${range}`))));
  const meters = h("select", { "aria-label": t("meter"), onchange: () => { state.meter = meters.value; state.at = null; asked = 0; gateway.restream(); } });
  const hint = h("span", { class: "soft small wide-only" }, t("chart_hint"));
  const save = h("button", { onclick: () => download(kept[state.range].data) }, t("chart_csv"));
  const table = tableOf();
  const element = h("div", {}, h("div", { class: "bar" }, h("h1", {}, t("charts")), ranges, meters, h("span", { class: "grow" }), hint, save),
    h("div", { class: "g" }, charts.map((each) => each.element)), table.element);
  let asked = 0;
  let wasServed = null;
  let drawnAt = 0;
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
    for (const button of ranges.children) button.setAttribute("aria-pressed", button.dataset.range === state.range);
    const { data } = kept[state.range];
    const isMine = around && data?.meter === state.meter;
    const points = isMine ? fromFirst(pointsOf(data, COLUMNS)).filter((point) => point.at > around.at - around.span) : [];
    wasServed = around?.isServed ?? null;
    drawnAt = around?.at ?? 0;
    if (around) around.end ??= (points.findLast(isKnown)?.at ?? 0) + (data?.bucket_s ?? 0) / 2;
    for (const each of charts) each.draw(points, around, data?.bucket_s ?? 10);
    table.show(points, around);
    save.disabled = !points.length;
  }

  function move(at) {
    state.at = at;
    for (const each of charts) each.read(at);
  }

  function showMeters(all) {
    names = all;
    meters.hidden = all.length < 2;
    if ([...meters.options].map(({ value }) => value).join("\n") !== all.join("\n")) meters.replaceChildren(...all.map((name) => h("option", { value: name }, name)));
    meters.value = state.meter;
  }

  return {
    element,
    get stream() { return { view: "now", meter: state.meter ?? "" }; },
    update() {
      state.meter = gateway.event.meter?.name ?? null;
      // An event names all meters where they are few.
      const few = gateway.event.meters.map(({ name }) => name);
      showMeters(few.length === gateway.meterCount() ? few : names);
    },
    // Readings that become stale lose their "now" at that moment, with or without an event.
    tick() {
      const around = context();
      if (around && (around.isServed !== wasServed || around.at - drawnAt > REDRAW_S)) show();
    },
    resize: show,
    async refresh() {
      const kind = state.range;
      const known = kept[kind];
      if (state.meter === null) return;
      if (!names.length) showMeters((await gateway.get("api/status")).meters.map(({ name }) => name));
      const isMine = known.data?.meter === state.meter;
      if (isMine && gateway.event.at < asked) return;
      const newer = await gateway.get("api/series", { meter: state.meter, range: kind, since: isMine ? known.since : 0 });
      known.merge(newer);
      asked = newer.at + 10;
      if (kind === state.range) show();
    },
  };
}

function scale(points, { at, span }, width, right, height, ticks) {
  const [low, high] = [ticks[0], ticks.at(-1)];
  return {
    x: (time) => LEFT + (width - LEFT - right) * Math.max(0, Math.min(1, 1 - (at - time) / span)),
    y: (value) => TOP + (height - TOP - BOTTOM) * (1 - (value - low) / (high - low)),
  };
}

// A chart of one kind, with its readout above, its cursor, and the keys that move it.
function chart(kind, state, move) {
  const title = h("h2", {}, `${t(kind.title)} `, h("span", { class: "soft small" }, kind.unit));
  const readout = h("p", { class: "readout" });
  const spoken = h("span", { class: "vh", role: "status" });
  const box = h("div", { class: "plot" });
  const element = h("section", { class: `card chart ${kind.size}`, tabindex: 0, role: "group", "aria-label": t(kind.title), "aria-description": t("chart_hint") }, h("div", { class: "hd" }, title, readout), box, spoken);
  let drawn = null;

  function nearest(at) {
    return drawn.points.reduce((best, point) => (Math.abs(point.at - at) < Math.abs(best.at - at) ? point : best));
  }

  function read(at) {
    if (!drawn?.points.length) {
      readout.replaceChildren();
      return;
    }
    const { points, around, x, y, cursor, height } = drawn;
    const known = points.filter(isKnown);
    const point = at === null ? known.at(-1) : nearest(at);
    if (!point) return;
    const when = at !== null ? hours(point.at) : around.isServed ? (around.range === "hour" ? t("axis_now") : t("chart_newest", { n: fixed(drawn.bucketS / 60) })) : t("chart_last", { at: hours(around.end) });
    readout.replaceChildren(h("span", { class: "soft" }, when), ...(isKnown(point) ? kind.read(point, at === null ? known : null) : [h("b", {}, t("chart_nothing"))]));
    cursor.replaceChildren();
    if (at === null) return;
    cursor.append(s("path", { class: "cursor", d: `M${x(point.at)} ${TOP}V${height - BOTTOM}` }));
    if (isKnown(point)) cursor.append(...kind.values(point).filter((value) => value !== null).map((value) => s("circle", { class: "dot", r: 3.5, cx: x(point.at), cy: y(value) })));
  }

  element.addEventListener("pointermove", (event) => {
    const picture = box.firstElementChild;
    if (!drawn?.points.length || !picture) return;
    const share = (event.clientX - picture.getBoundingClientRect().left - LEFT) / (drawn.width - LEFT - kind.right);
    move(share < 0 || share > 1 ? null : drawn.around.at - (1 - share) * drawn.around.span);
  });
  element.addEventListener("pointerleave", () => move(null));
  element.addEventListener("keydown", (event) => {
    if (!drawn?.points.length) return;
    const { points } = drawn;
    const index = state.at === null ? points.length - 1 : points.indexOf(nearest(state.at));
    const step = event.shiftKey ? JUMP : 1;
    const wanted = { ArrowLeft: index - (state.at === null ? 0 : step), ArrowRight: index + step, Home: 0, End: points.length - 1, Escape: -1 }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    move(event.key === "Escape" ? null : points[Math.max(0, Math.min(points.length - 1, wanted))].at);
    setText(spoken, event.key === "Escape" ? "" : readout.textContent);
  });

  return {
    element,
    read,
    draw(all, around, bucketS) {
      // A meter that sends no such reading, or hundreds of meters, have no such chart.
      const has = around && all.some((point) => isKnown(point) && kind.values(point).some((value) => value !== null));
      element.hidden = kind.isOptional && !has;
      if (element.hidden) return;
      if (!has) {
        drawn = null;
        readout.replaceChildren();
        box.replaceChildren(h("p", { class: "empty" }, t("chart_empty")));
        return;
      }
      const [width, height] = [Math.max(260, box.clientWidth), kind.height];
      const known = all.filter((point) => isKnown(point) && kind.values(point).some((value) => value !== null));
      // Beyond the last telegram nothing is known. While it is fresh, the newest bucket reaches to now.
      const points = all.filter((point) => point.at <= around.end || point === known.at(-1));
      const ticks = kind.ticks(known, around);
      const { x, y } = scale(points, around, width, kind.right, height, ticks);
      const cursor = s("g", {});
      drawn = { points, around, x, y, cursor, width, height, bucketS };
      const plot = { points, known, around, x, y, width, height, bucketS, right: kind.right, ticks, end: around.end };
      box.replaceChildren(s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": kind.describe(known) }, kind.back?.(plot) ?? null,
        axes(kind, plot), holes(plot, kind), kind.draw(plot), cursor));
      read(state.at);
    },
  };
}

function axes(kind, { x, y, ticks, width, right, height, around }) {
  const digits = digitsOf(ticks);
  const levels = ticks.filter((tick) => !kind.hides?.includes(tick)).flatMap((tick) => [s("path", { class: `axis ${tick === 0 ? "zero" : ""}`, d: `M${LEFT} ${y(tick)}H${width - right}` }),
    s("text", { x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }, tick === 0 ? "0" : kind.isSigned ? signed(tick, digits) : fixed(tick, digits))]);
  const count = width < 420 ? 4 : width < 700 ? 6 : around.range === "hour" ? 7 : 9;
  return s("g", {}, levels, timeAxis(around, count, x, LEFT, width - right, height - BOTTOM));
}

// The times without telegrams, each with its begin and end in the main chart.
function holes({ points, around, x, width, right, height, bucketS, end }, { namesGaps }) {
  const found = gaps(points, isKnown).map(([first, last]) => [first.at - bucketS / 2, last.at + bucketS / 2]);
  if (!around.isServed) found.push([end, null]);
  return s("g", {}, found.map(([from, to]) => {
    const [left, edge] = [x(from), to === null ? width - right : x(to)];
    if (edge - left < 0.5) return null;
    const isAtEnd = to === null || edge > width - right - 60;
    const place = isAtEnd ? { x: edge - 4, "text-anchor": "end" } : { x: (left + edge) / 2, "text-anchor": "middle" };
    const words = to === null ? t("chart_since", { at: hours(from) }) : `${hours(from)}–${hours(to)}`;
    const label = namesGaps && (edge - left > 40 || to === null) ? [t("chart_no_telegrams"), words].map((text, line) => s("text", { class: "gap-label", y: TOP + 15 + 15 * line, ...place }, text)) : [];
    return s("g", {}, hatch(left, edge, TOP, height - TOP - BOTTOM), label);
  }));
}

function powerChart() {
  const kw = (value) => (value === null ? null : value / 1000);
  return {
    title: "chart_power", unit: "kW", size: "s12", height: 206, right: 14, isSigned: true, namesGaps: true,
    values: ({ w }) => [kw(w)],
    ticks: (known) => nice(Math.min(0, ...known.map(({ low }) => kw(low))), Math.max(0, 0.1, ...known.map(({ high }) => kw(high))), 4),
    describe: (known) => t("chart_power_label", { lowest: `${signed(Math.min(...known.map(({ low }) => low)))} W`, highest: `${signed(Math.max(...known.map(({ high }) => high)))} W` }),
    draw: ({ points, x, y, end }) => area(points, (point) => isKnown(point) && point.w !== null, (point) => x(Math.min(point.at, end)), ({ w }) => y(kw(w)), y(0)),
    read: ({ w, low, high }) => (w === null ? [] : [
      h("b", { class: w < 0 ? "exp" : "imp" }, `${w < 0 ? "↑" : "↓"} ${t(w < 0 ? "chart_export" : "chart_import", { w: fixed(Math.abs(w)) })}`),
      h("span", { class: "soft" }, t("chart_between", { lowest: signed(low), highest: signed(high) }))]),
  };
}

// A line for each phase, with its name at the end. `value` returns what is shown of a phase at a point, or null.
function phaseLines(value) {
  return ({ points, known, x, y, end, width, right }) => {
    const has = (phase) => (point) => isKnown(point) && value(point, phase) !== null;
    const lines = PHASES.map((phase) => s("path", { class: `phase phase-${phase}`,
      d: runs(points, has(phase)).map((run) => path(run.map((point) => [x(Math.min(point.at, end)), y(value(point, phase))]))).join("") }));
    const places = PHASES.map((phase) => [phase, known.findLast(has(phase))]).filter(([, last]) => last)
      .map(([phase, last]) => [phase, y(value(last, phase))]).sort((one, other) => one[1] - other[1]);
    // The names are moved apart where they would cover each other.
    for (let index = 1; index < places.length; index += 1) places[index][1] = Math.max(places[index][1], places[index - 1][1] + LABEL_HEIGHT);
    return s("g", {}, lines, places.map(([phase, place]) => s("text", { x: width - right + 7, y: place + 4 }, `L${phase}`)));
  };
}

const allOf = (value) => (point) => PHASES.map((phase) => value(point, phase)).filter((each) => each !== null);

function phaseText(phase, text, isBad = false) {
  return h("span", {}, s("svg", { class: "key", width: 20, height: 4, "aria-hidden": "true" }, s("path", { class: `phase phase-${phase}`, d: "M0 2H20" })), `L${phase} `, h("b", { class: isBad ? "bad" : null }, text));
}

function phaseChart() {
  const kw = (point, phase) => (point[`p${phase}`] === null ? null : point[`p${phase}`] / 1000);
  const all = allOf(kw);
  return {
    title: "chart_phases", unit: "kW", size: "s6", height: 168, right: 30, isSigned: true, isOptional: true,
    values: all,
    ticks: (known) => nice(Math.min(0, ...known.flatMap(all)), Math.max(0, 0.1, ...known.flatMap(all)), 4),
    describe: (known) => t("chart_phases_label", { lowest: `${signed(1000 * Math.min(...known.flatMap(all)))} W`, highest: `${signed(1000 * Math.max(...known.flatMap(all)))} W` }),
    draw: phaseLines(kw),
    read: (point) => PHASES.filter((phase) => kw(point, phase) !== null).map((phase) => phaseText(phase, signed(kw(point, phase), 2))),
  };
}

function voltageChart() {
  const mean = (point, phase) => (point[`v${phase}`] === null ? null : (point[`v${phase}`] + point[`V${phase}`]) / 2);
  const ends = (known) => known.flatMap((point) => PHASES.flatMap((phase) => [point[`v${phase}`], point[`V${phase}`]])).filter((value) => value !== null);
  return {
    title: "chart_voltage", unit: "V", size: "s6", height: 168, right: 30, isOptional: true, hides: [LIMITS_V[0] - 4, LIMITS_V[1] + 4],
    values: allOf(mean),
    ticks(known) {
      const values = ends(known);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return [low < LIMITS_V[0] - 4 ? 10 * Math.floor(low / 10) : LIMITS_V[0] - 4, 207, 220, 230, 240, 253, high > LIMITS_V[1] + 4 ? 10 * Math.ceil(high / 10) : LIMITS_V[1] + 4];
    },
    describe: (known) => t("chart_voltage_label", { lowest: `${fixed(Math.min(...ends(known)), 1)} V`, highest: `${fixed(Math.max(...ends(known)), 1)} V` }),
    back: ({ y, width, right }) => s("g", {}, s("rect", { class: "allowed", x: LEFT, y: y(LIMITS_V[1]), width: width - LEFT - right, height: y(LIMITS_V[0]) - y(LIMITS_V[1]) }),
      LIMITS_V.map((limit) => s("path", { class: "limit", d: `M${LEFT} ${y(limit)}H${width - right}` }))),
    draw: phaseLines(mean),
    read: (point) => PHASES.filter((phase) => mean(point, phase) !== null).map((phase) => phaseText(phase, fixed(mean(point, phase), 1), point[`V${phase}`] > LIMITS_V[1] || point[`v${phase}`] < LIMITS_V[0])),
  };
}

function intervalChart() {
  return {
    title: "chart_interval", unit: "s", size: "s12", height: 100, right: 14,
    values: ({ interval }) => [interval],
    ticks: (known, { meter }) => nice(0, Math.max(1.3 * meter.late_after_s, ...known.map(({ interval }) => Math.min(interval ?? 0, 4 * meter.late_after_s))), 2),
    describe: (known) => t("chart_interval_label", { longest: `${fixed(Math.max(0, ...known.map(({ interval }) => interval ?? 0)), 1)} s`, refused: known.reduce((sum, { refused }) => sum + refused, 0) }),
    draw({ points, known, x, y, width, right, around, bucketS, ticks }) {
      const { late_after_s: late } = around.meter;
      const bar = Math.max(1.5, (width - LEFT - right) * bucketS / around.span - 0.6);
      return s("g", {}, s("path", { class: "limit", d: `M${LEFT} ${y(late)}H${width - right}` }), s("text", { class: "limit-label", x: width - right, y: y(late) - 5, "text-anchor": "end" }, t("age_mark_late")),
        known.filter(({ interval }) => interval !== null).map(({ at, interval }) => {
          const top = y(Math.min(interval, ticks.at(-1)));
          return s("rect", { class: `beat ${interval > late ? "long" : "plain"}`, x: Math.min(width - right - bar, x(at) - bar / 2).toFixed(1), y: top.toFixed(1), width: bar.toFixed(1), height: (y(0) - top).toFixed(1) });
        }),
        points.filter(({ refused }) => refused).map(({ at }) => s("path", { class: "refused", d: `M${(x(at) - 4).toFixed(1)} ${TOP + 2}l8 8m0-8l-8 8` })));
    },
    read: ({ interval, refused }, known) => [
      h("span", {}, `${t("chart_longest")} `, h("b", {}, `${fixed(interval ?? 0, 1)} s`)),
      h("span", {}, `${t("chart_refused")} `, h("b", { class: refused ? "bad" : null }, fixed(known ? known.reduce((sum, each) => sum + each.refused, 0) : refused)))],
  };
}

// The same numbers as a table, made only while it is open.
function tableOf() {
  const names = ["time", "chart_power", "chart_lowest", "chart_highest", "chart_longest", "chart_refused"];
  const body = h("tbody", {});
  const element = h("details", { class: "as-table" }, h("summary", {}, t("chart_table")),
    h("div", { class: "scroll tall", tabindex: 0, role: "region", "aria-label": t("chart_table") }, h("table", {}, h("thead", {}, h("tr", {}, names.map((name, index) => h("th", { scope: "col", class: index ? "num" : null }, t(name) + ["", " (W)", " (W)", " (W)", " (s)", ""][index])))), body)));
  let newest = null;
  const fill = () => {
    if (!element.open || !newest) return;
    body.replaceChildren(...newest.toReversed().map((point) => h("tr", {}, h("td", {}, moment(point.at)),
      ...(isKnown(point) ? [point.w, point.low, point.high].map((value) => h("td", { class: "num" }, value === null ? "—" : signed(value))).concat(h("td", { class: "num" }, point.interval === null ? "—" : fixed(point.interval, 1)), h("td", { class: "num" }, fixed(point.refused)))
        : [h("td", { class: "soft", colspan: 5 }, t("chart_no_telegrams"))]))));
  };
  element.addEventListener("toggle", fill);
  return {
    element,
    show(points, around) {
      newest = around ? points.filter((point) => point.at <= around.end || isKnown(point)) : [];
      element.hidden = !newest.length;
      fill();
    },
  };
}

function download(data) {
  if (!data) return;
  const names = Object.keys(data.columns);
  const rows = data.columns.telegrams.map((_, index) => [new Date(1000 * (data.first + index * data.bucket_s)).toISOString(), ...names.map((name) => data.columns[name][index] ?? "")]);
  const text = [["time", ...names], ...rows].map((row) => row.join(",")).join("\r\n");
  const link = h("a", { href: URL.createObjectURL(new Blob([`${text}\r\n`], { type: "text/csv" })), download: `${data.meter}-${data.bucket_s === 300 ? "day" : "hour"}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
