// Many meters: how many are fresh, which are not and why, and a line for each. Only the rows in sight are in the page.

import { checkbox, h, make, memo, phone, render, searchField, segments } from "./dom.js";
import { spark } from "./drawing.js";
import { mark, meterState } from "./marks.js";
import { ageWords, labelText, number, span, t } from "./texts.js";

const OVERSCAN = 4;
const [ROW_PX, PHONE_ROW_PX] = [44, 64]; // as in the style sheet
const POINTS_FOR_MS = 120_000;
const MANY_ERRORS = 3;
const STATES = ["stale", "never", "late", "fresh"]; // the worst first

// The columns, each with what a row is sorted by: a value, or several.
const COLUMNS = [
  { name: "mark", title: () => h("span.vh", t("fleet_state")) },
  { name: "meter", by: ({ name }) => name.replace(/\d+/g, (digits) => digits.padStart(9, "0")).toLowerCase() },
  { name: "fleet_state", by: (meter) => [STATES.indexOf(meter.state), -meter.errors, meter.position] },
  { name: "fleet_power", by: ({ watts }) => -(watts ?? -Infinity), kind: "num" },
  { name: "fleet_hour" },
  { name: "age", by: ({ age }) => -(age ?? Infinity), kind: "num" },
  { name: "fleet_errors", by: ({ errors }) => -errors, kind: "num" },
  { name: "clients", by: ({ clients }) => clients, kind: "num" },
];

const FILTERS = {
  all: () => true,
  trouble: (meter) => meter.state !== "fresh" || meter.errors > MANY_ERRORS,
  stale: (meter) => !meter.isServed,
  late: (meter) => meter.state === "late",
  exporting: (meter) => meter.watts < 0,
  unread: (meter) => meter.clients === 0,
};

export function create(gateway, refresh) {
  const state = { search: "", filter: "all", sharesScale: false, column: COLUMNS[2], sign: 1 };
  const space = make(h("div.fleet-space", { role: "presentation" }));
  const port = make(h("div.fleet-port", { tabindex: 0, role: "rowgroup", "aria-label": t("fleet_meters"), onscroll: () => { place(); refresh(); } }, space));
  const element = make(h("div"));
  let meters = [];
  let shown = [];
  let inSight = [];

  // An event has all meters, or only what changed since the one before.
  function apply(event) {
    if (!event?.telegrams) return;
    if (event.fleet) {
      const before = new Map(meters.map((meter) => [meter.name, meter]));
      meters = event.fleet.map((meter, position) => ({ pointsAt: -POINTS_FOR_MS, spark: memo(), ...before.get(meter.name), ...meter, position,
        power: null, age_s: null }));
    }
    for (const { position, ...row } of event.rows) Object.assign(meters[position], row, { telegrams: row.has_sent });
    for (let index = 0; index < event.telegrams.length; index += 3) {
      const [position, power, tenths] = event.telegrams.slice(index, index + 3);
      Object.assign(meters[position], { power, age_s: tenths === null ? null : tenths / 10, receivedAt: gateway.receivedAt });
    }
  }

  function fill() {
    const moment = performance.now();
    for (const meter of meters) {
      Object.assign(meter, meterState(meter, (moment - (meter.receivedAt ?? moment)) / 1000, false));
      meter.watts = meter.isServed ? meter.power : null;
    }
    const search = state.search.toLowerCase();
    const isFound = (meter) => !search || `${meter.name} ${meter.line} ${reasonOf(meter)}`.toLowerCase().includes(search);
    shown = sorted(meters.filter((meter) => FILTERS[state.filter](meter) && isFound(meter)));
    render(element, sums(), tools(), h("section.card.table-card", h("div", { role: "table", "aria-label": t("fleet_meters") },
      h("div", { role: "rowgroup" }, h("div.fleet-head", { role: "row" }, COLUMNS.map(headOf))), port),
    !shown.length && h("p.none.soft", t("fleet_none"), " ",
      h("button", { onclick: () => change({ filter: "all", search: "" }) }, t("fleet_show_all")))));
    place();
  }

  function change(changes) {
    Object.assign(state, changes);
    fill();
  }

  function headOf(column) {
    const { name, by, kind, title = () => t(name) } = column;
    const sign = state.column === column && state.sign;
    return h("span", { role: "columnheader", class: kind, "aria-sort": by && (!sign ? "none" : sign > 0 ? "ascending" : "descending") },
      by ? h("button", { onclick: () => change({ column, sign: -sign || 1 }) }, title()) : title());
  }

  function sorted(rows) {
    const { column: { by }, sign } = state;
    const keyed = rows.map((row) => [row, [by(row)].flat()]);
    return keyed.sort(([, one], [, other]) => sign * compare(one, other)).map(([row]) => row);
  }

  function tools() {
    return h("div.bar", searchField(state.search, (search) => change({ search }),
      { class: "inp", "aria-label": t("search"), placeholder: t("fleet_search") }),
      segments(t("fleet_state"), Object.entries(FILTERS).map(([filter, test]) => [filter, [t(`fleet_${filter}`), h("b", number(meters.filter(test).length))]]),
        state.filter, (filter) => change({ filter })),
      h("span.grow"), h("span.optional", checkbox(t("fleet_scale"), state.sharesScale, (sharesScale) => change({ sharesScale }))));
  }

  function sums() {
    const all = meters.length;
    const some = ["stale", "never", "late"].map((name) => [name, meters.filter(({ state: of }) => of === name).length]).filter(([, n]) => n);
    const served = meters.filter(({ watts }) => watts !== null);
    const kw = (sign) => number(served.reduce((total, { watts }) => total + Math.max(0, sign * watts), 0) / 1000, 1);
    return h("section.card.fleet-sum",
      h("div", h("p.fleet-count.live", number(meters.filter(({ isServed }) => isServed).length), h("small", ` ${t("fleet_of", { all: number(all) })}`)),
        h("p.soft", some.map(([name, n]) => t(`fleet_count_${name}`, { n })).join(" · "))),
      h("div.num", served.length > 0 && h("p.live", h("b.imp", `↓ ${kw(1)} kW`), ` ${t("fleet_import")} · `, h("b.exp", `↑ ${kw(-1)} kW`), ` ${t("fleet_export")}`),
        h("p.soft.small", t("fleet_sum", { n: served.length, left: all - served.length }))));
  }

  function place() {
    const height = phone.matches ? PHONE_ROW_PX : ROW_PX;
    space.style.height = `${shown.length * height}px`;
    const first = Math.max(0, Math.floor(port.scrollTop / height) - OVERSCAN);
    inSight = shown.slice(first, first + Math.ceil(port.clientHeight / height) + 2 * OVERSCAN);
    const range = state.sharesScale ? rangeOf(meters.flatMap(({ points }) => points ?? [])) : null;
    render(space, inSight.map((meter, index) => rowOf(meter, first + index, height, range)));
  }

  function rowOf(meter, index, height, range) {
    const { name, age, state: of, watts, errors, clients, points, is_simulated: isSimulated } = meter;
    const shownState = gateway.isLost ? "lost" : isSimulated && of === "fresh" ? "simulated" : of;
    const cell = (kind, ...content) => h("span", { role: "cell", class: kind }, content);
    return h("div.fleet-row", { class: of, role: "row", key: meter.position, "data-order": index, "aria-rowindex": index + 2,
      style: { transform: `translateY(${index * height}px)` } },
      cell("", mark(shownState, t(`state_${shownState}`))),
      cell("name", h("a", { href: `#now/${encodeURIComponent(name)}` }, name),
        h("span.soft.small.mono", isSimulated ? t("now_simulated") : meter.line)),
      cell("why", reasonOf(meter)),
      cell(`num power live ${watts === null ? "soft" : watts < 0 ? "exp" : "imp"}`,
        watts === null ? "—" : `${watts < 0 ? "↑" : "↓"} ${number(watts, 0, "never")}`),
      cell("line", points && meter.spark([points, range], () => spark(points, 132, 28, range ?? rangeOf(points)))),
      cell("num old", ageWords(age)),
      cell(`num ${errors > MANY_ERRORS ? "bad" : errors ? "" : "soft"}`, number(errors)),
      cell(`num ${clients ? "" : "warn"}`, number(clients)));
  }

  return {
    element,
    stream: { view: "fleet" },
    update() {
      apply(gateway.event);
      if (gateway.event?.fleet) fill();
    },
    tick: fill, // the readings become older while no event comes
    resize: place,
    // Rows without a line say the same in numbers.
    async refresh() {
      const moment = performance.now();
      const wanted = inSight.filter((meter) => moment - meter.pointsAt > POINTS_FOR_MS);
      if (!wanted.length || phone.matches) return;
      for (const meter of wanted) meter.pointsAt = moment;
      const { lines } = await gateway.get("api/sparklines", wanted.map(({ name }) => ["meter", name]));
      for (const { meter: name, points } of lines) meters.find((meter) => meter.name === name).points = points;
      place();
    },
  };
}

function compare(one, other) {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : one[at] < other[at] ? -1 : 1;
}

function rangeOf(points) {
  const known = points.filter((value) => value !== null);
  return [Math.min(0, ...known), Math.max(1, ...known)];
}

function reasonOf({ state, errors, clients, due_s: due, label }) {
  if (state === "late") return t("fleet_late_why", { due: span(due) });
  if (state === "fresh") return t(errors > MANY_ERRORS ? "fleet_fresh_errors" : clients ? "fleet_fresh" : "fleet_fresh_unread",
    { n: errors });
  return label ? labelText(label) : t("fleet_quiet");
}
