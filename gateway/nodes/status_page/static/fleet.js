// Many meters: how many are fresh, which are not and why, and a line for each. Only the rows in sight are in the page.

import { h, s, setText } from "./dom.js";
import { spark } from "./drawing.js";
import { mark, meterState, setMark } from "./marks.js";
import { ageWords, fixed, labelText, number, t } from "./texts.js";

const MAX_ROWS = 40;
const OVERSCAN = 4;
const ROW_PX = 44;
const PHONE_ROW_PX = 64;
const POINTS_FOR_MS = 120_000;
const QUIET_S = 1.5; // an event comes each second
const MANY_ERRORS = 3;
const RANK = { never: 0, stale: 0, lost: 0, late: 1, fresh: 2 };
const COUNTS_ITSELF = ["line-receiving", "line-quiet", "plain"]; // the row shows the age already

const FILTERS = [
  ["all", () => true],
  ["trouble", (meter) => meter.state !== "fresh" || meter.errors > MANY_ERRORS],
  ["stale", (meter) => !meter.isServed],
  ["late", (meter) => meter.state === "late"],
  ["exporting", (meter) => meter.isServed && meter.power < 0],
  ["unread", (meter) => meter.clients === 0],
];
const ORDERS = {
  trouble: (a, b) => RANK[a.state] - RANK[b.state] || b.errors - a.errors || a.position - b.position,
  name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
  power: (a, b) => (b.isServed ? b.power ?? -1e9 : -1e9) - (a.isServed ? a.power ?? -1e9 : -1e9),
  age: (a, b) => (b.age ?? 1e12) - (a.age ?? 1e12),
  errors: (a, b) => b.errors - a.errors,
  clients: (a, b) => a.clients - b.clients,
};
const COLUMNS = [["", null, ""], ["meter", "name", ""], ["fleet_state", "trouble", ""], ["fleet_power", "power", "num"], ["fleet_hour", null, ""],
  ["age", "age", "num"], ["interval", null, "num"], ["fleet_errors", "errors", "num"], ["clients", "clients", "num"]];

export function create(gateway) {
  const state = { search: "", filter: "all", order: "trouble", direction: 1, sharesScale: false };
  const phone = matchMedia("(max-width: 760px)");
  const rows = new Map();
  let meters = [];
  let shown = [];
  let applied = null;
  let asksPoints = false;

  const count = h("p", { class: "fleet-count" });
  const note = h("p", { class: "soft" });
  const bar = s("svg", { class: "fleet-bar", viewBox: "0 0 1000 16", preserveAspectRatio: "none", role: "img", "aria-label": t("fleet") });
  const sums = h("p", { class: "live" });
  const sumNote = h("p", { class: "soft small" });
  const search = h("input", { type: "search", class: "inp", id: "search", "aria-label": t("search"), placeholder: t("fleet_search"), oninput: () => { state.search = search.value.toLowerCase(); fill(); } });
  const chips = new Map(FILTERS.map(([name]) => [name, h("button", { class: "chip", onclick: () => { state.filter = name; fill(); } }, `${t(`fleet_${name}`)} `, h("b", {}))]));
  const scale = h("button", { class: "chip", "aria-pressed": "false", title: t("fleet_scale_why"), onclick: () => { state.sharesScale = !state.sharesScale; fill(true); } }, t("fleet_scale"));
  const heads = h("div", { class: "fleet-head", role: "row" }, COLUMNS.map(headOf));
  const space = h("div", { class: "fleet-space", role: "presentation" });
  const none = h("p", { class: "none soft", hidden: true }, t("fleet_none"), " ", h("button", { onclick: () => { state.filter = "all"; state.search = search.value = ""; fill(); } }, t("fleet_show_all")));
  const port = h("div", { class: "fleet-port", tabindex: 0, role: "rowgroup", "aria-label": t("fleet_meters"), onscroll: () => place() }, space);
  const element = h("div", {},
    h("section", { class: "card fleet-sum" }, h("div", {}, count, note), bar, h("div", { class: "num" }, sums, sumNote)),
    h("div", { class: "bar" }, search, h("div", { class: "bar chips" }, ...chips.values()), h("span", { class: "grow" }), scale),
    h("section", { class: "card table-card" }, h("div", { role: "table", "aria-label": t("fleet_meters") }, h("div", { role: "rowgroup" }, heads), port), none));

  function headOf([key, order, kind]) {
    if (!order) return h("span", { role: "columnheader", class: kind }, key ? t(key) : h("span", { class: "vh" }, t("fleet_state")));
    return h("span", { role: "columnheader", class: kind, "data-order": order },
      h("button", { onclick: () => { state.direction = state.order === order ? -state.direction : 1; state.order = order; fill(); } }, t(key)));
  }

  // An event has all meters, or only what changed since the one before.
  function apply(event) {
    if (event === applied || !event?.telegrams || event.nodes) return;
    applied = event;
    if (event.fleet) {
      const points = new Map(meters.map((meter) => [meter.name, meter]));
      meters = event.fleet.map((meter, position) => ({ ...meter, position, power: null, age_s: null, points: points.get(meter.name)?.points, pointsAt: points.get(meter.name)?.pointsAt ?? -POINTS_FOR_MS, errors: 0, clients: 0 }));
      rows.forEach((row) => row.element.remove());
      rows.clear();
    }
    for (const { position, ...row } of event.rows) Object.assign(meters[position], row, { telegrams: row.has_sent });
    for (let index = 0; index < event.telegrams.length; index += 3) {
      const meter = meters[event.telegrams[index]];
      const tenths = event.telegrams[index + 2];
      meter.power = event.telegrams[index + 1];
      meter.age_s = tenths === null ? null : tenths / 10;
      meter.receivedAt = gateway.receivedAt;
    }
  }

  function judge() {
    const moment = performance.now();
    for (const meter of meters) {
      Object.assign(meter, meterState(meter, (moment - (meter.receivedAt ?? moment)) / 1000, false));
    }
  }

  function showSums() {
    const of = (wanted) => meters.filter((meter) => meter.state === wanted).length;
    const [late, stale, never, all] = [of("late"), of("stale"), of("never"), meters.length];
    const good = all - stale - never;
    count.replaceChildren(number(good), h("small", {}, ` ${t("fleet_of", { all: number(all) })}`));
    setText(note, [["stale", stale], ["never", never], ["late", late]].filter(([, n]) => n).map(([name, n]) => t(`fleet_count_${name}`, { n: number(n) })).join(" · "));
    const parts = [["fresh", good - late], ["late", late], ["stale", stale], ["never", never]];
    bar.setAttribute("aria-label", parts.filter(([, n]) => n).map(([name, n]) => `${number(n)} ${t(`fleet_word_${name}`)}`).join(", "));
    let x = 0;
    bar.replaceChildren(...parts.filter(([, n]) => n).map(([name, n]) => {
      const width = Math.max(6, (n / all) * 1000);
      const rect = s("rect", { class: `part-${name}`, x, width: Math.max(3, width - 3), height: 16 });
      x += width;
      return rect;
    }));
    const counted = meters.filter((meter) => meter.isServed && meter.power !== null);
    const sum = (sign) => counted.reduce((total, meter) => total + Math.max(0, sign * meter.power), 0) / 1000;
    sums.replaceChildren(h("b", { class: "imp" }, `↓ ${fixed(sum(1), 1)} kW`), ` ${t("fleet_import")} · `, h("b", { class: "exp" }, `↑ ${fixed(sum(-1), 1)} kW`), ` ${t("fleet_export")}`);
    setText(sumNote, t(counted.length === all ? "fleet_sum_all" : "fleet_sum", { n: number(counted.length), left: number(all - counted.length) }));
  }

  // Sorts and filters all meters, and draws those in sight.
  function fill(isAnew = false) {
    judge();
    showSums();
    const wanted = FILTERS.find(([name]) => name === state.filter)[1];
    for (const [name, test] of FILTERS) {
      chips.get(name).setAttribute("aria-pressed", name === state.filter);
      setText(chips.get(name).querySelector("b"), number(meters.filter(test).length));
    }
    scale.setAttribute("aria-pressed", state.sharesScale);
    for (const head of heads.children) {
      const isSorted = head.dataset.order === state.order;
      head.setAttribute("aria-sort", isSorted ? (state.direction > 0 ? "ascending" : "descending") : "none");
      head.dataset.arrow = isSorted ? (state.direction > 0 ? " ↓" : " ↑") : "";
    }
    shown = meters.filter((meter) => wanted(meter) && (!state.search || `${meter.name} ${meter.line} ${reasonOf(meter)}`.toLowerCase().includes(state.search)))
      .sort((a, b) => state.direction * ORDERS[state.order](a, b));
    if (isAnew) rows.forEach((row) => { row.drawn = null; });
    place();
  }

  function place() {
    const height = phone.matches ? PHONE_ROW_PX : ROW_PX;
    space.style.height = `${shown.length * height}px`;
    none.hidden = shown.length > 0;
    const first = Math.max(0, Math.floor(port.scrollTop / height) - OVERSCAN);
    const inSight = shown.slice(first, first + Math.min(MAX_ROWS, Math.ceil(port.clientHeight / height) + 2 * OVERSCAN));
    const wanted = new Set(inSight.map((meter) => meter.position));
    for (const [position, row] of rows) {
      if (wanted.has(position)) continue;
      row.element.remove();
      rows.delete(position);
    }
    inSight.forEach((meter, index) => {
      if (!rows.has(meter.position)) {
        const row = makeRow(meter);
        rows.set(meter.position, row);
        space.append(row.element);
      }
      const row = rows.get(meter.position);
      row.element.style.transform = `translateY(${(first + index) * height}px)`;
      row.element.setAttribute("aria-rowindex", first + index + 2);
      row.element.dataset.order = first + index;
      patch(row, meter);
    });
    askPoints(inSight);
  }

  function makeRow(meter) {
    const sign = mark("never");
    const cell = (kind = "") => h("span", { role: "cell", class: kind });
    const [why, power, line, age, interval, errors, clients] = [cell("why"), cell("num power live"), cell("line"), cell("num"), cell("num soft"), cell("num"), cell("num")];
    const name = h("span", { role: "cell", class: "name" }, h("a", { href: `#now/${encodeURIComponent(meter.name)}` }, meter.name), h("span", { class: "soft small mono" }, meter.is_simulated ? t("state_simulated") : meter.line));
    return { element: h("div", { class: "fleet-row", role: "row" }, h("span", { role: "cell" }, sign), name, why, power, line, age, interval, errors, clients), sign, why, power, line, age, interval, errors, clients, drawn: null };
  }

  function patch(row, meter) {
    const isGood = meter.isServed;
    const isSimulated = meter.is_simulated && meter.state === "fresh";
    row.element.className = `fleet-row ${meter.state}`;
    setMark(row.sign, gateway.isLost ? "stale" : isSimulated ? "simulated" : meter.state, t(isSimulated ? "state_simulated" : `state_${meter.state}`));
    setText(row.why, reasonOf(meter));
    setText(row.power, !isGood || meter.power === null ? "—" : `${meter.power < 0 ? "↑" : "↓"} ${fixed(Math.abs(meter.power))}`);
    row.power.className = `num power live ${!isGood || meter.power === null ? "soft" : meter.power < 0 ? "exp" : "imp"}`;
    setText(row.age, meter.age === null ? "—" : ageWords(meter.age));
    row.age.className = `num ${isGood ? (meter.state === "late" ? "warn" : "") : meter.age === null ? "soft" : "bad"}`;
    setText(row.interval, meter.interval_s === null ? "—" : `${fixed(meter.interval_s, meter.interval_s < 1 ? 1 : 0)} s`);
    setText(row.errors, number(meter.errors));
    row.errors.className = `num ${meter.errors > MANY_ERRORS ? "bad" : meter.errors ? "" : "soft"}`;
    setText(row.clients, number(meter.clients));
    row.clients.className = `num ${meter.clients ? "" : "warn"}`;
    const drawn = meter.points && `${meter.pointsAt}|${state.sharesScale}`;
    if (drawn === row.drawn || !meter.points) return;
    row.drawn = drawn;
    row.line.replaceChildren(spark(meter.points, 132, 28, state.sharesScale ? widest() : null));
  }

  // The range of all lines that are known, for one scale.
  function widest() {
    const all = meters.flatMap((meter) => meter.points ?? []).filter((value) => value !== null);
    return [Math.min(0, ...all), Math.max(1, ...all)];
  }

  function reasonOf(meter) {
    if (meter.state === "late") return t("fleet_late_why", { due: ageWords(meter.due_s) });
    if (meter.state === "fresh") return t(meter.errors > MANY_ERRORS ? "fleet_fresh_errors" : meter.clients ? "fleet_fresh" : "fleet_fresh_unread", { n: number(meter.errors) });
    const { label } = meter;
    if (!label || COUNTS_ITSELF.includes(label.code)) return t("fleet_quiet");
    return typeof label.values.problem === "object" ? labelText(label.values.problem) : labelText(label);
  }

  // The lines of the last hour, for the rows in sight.
  async function askPoints(inSight) {
    const moment = performance.now();
    const wanted = inSight.filter((meter) => moment - meter.pointsAt > POINTS_FOR_MS);
    if (asksPoints || !wanted.length || gateway.isLost) return;
    asksPoints = true;
    wanted.forEach((meter) => { meter.pointsAt = moment; });
    try {
      const { lines } = await gateway.get("api/sparklines", wanted.map((meter) => ["meter", meter.name]));
      for (const { meter: name, points } of lines) {
        const meter = wanted.find((each) => each.name === name);
        if (meter) meter.points = points;
      }
      place();
    } catch {
      // Rows without a line say the same in numbers.
    } finally {
      asksPoints = false;
    }
  }

  function seek(event) {
    if (event.key !== "/" || event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    search.focus();
  }
  document.addEventListener("keydown", seek);

  return {
    element,
    stream: { view: "fleet" },
    update() {
      apply(gateway.event);
      if (meters.length) fill();
    },
    // The readings become older while no event comes.
    tick() { if (gateway.elapsed() > QUIET_S && meters.length) fill(); },
    resize: () => place(),
    close: () => document.removeEventListener("keydown", seek),
  };
}
