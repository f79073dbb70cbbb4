// How much, which way, and whether that is true now: the newest readings of one meter.
// No reading is shown as fresh that is not: the page's own clock takes them away, without waiting for an event.

import { card, facts, h, make, memo, render, s } from "./dom.js";
import { limited, nice, picture, plot, POWER, series } from "./drawing.js";
import { ageLine, clientMark, mark, meterChoice } from "./marks.js";
import { ageWords, clock, dayTime, hours, insteadOfValues, labelText, titleOf, number, refusal, signed, t } from "./texts.js";

const NEAR_LIMIT_V = 3;
const DAY_S = 86_400;
const BEATS_S = 60;
const READERS = 8;

export function create(gateway) {
  const hour = series("hour");
  const drawn = memo();
  const element = make(h("div"));
  let hosts = [];

  function show() {
    const meter = gateway.watched();
    if (!meter) {
      if (gateway.event?.is_serving) render(element, h("p.soft", t("now_no_meter")));
      return;
    }
    const past = hour.known(meter);
    const box = element.querySelector("figure");
    const size = [box?.clientWidth, box?.clientHeight];
    const figure = drawn([past.key, size], () => hourChart(past, size));
    render(element, h("div.g", hero(meter, meterChoice(gateway), figure), todayCard(meter), !meter.isServed && meanwhileCard(meter),
      meter.phases.length > 0 && phasesCard(meter, past.points), lineCard(meter),
      readersCard(hosts.filter((host) => host.meters.includes(meter.name)), meter)));
    if (!box) show(); // now the space for the drawing is known
  }

  return {
    element,
    get stream() { return { view: "now", meter: gateway.meterName }; },
    update: show,
    beat: show, // stale readings are removed at that moment, and not with the next second
    resize: show,
    async refresh() {
      const meter = gateway.watched();
      if (!meter) return;
      ({ hosts } = await gateway.get("api/hosts"));
      await hour.follow(gateway, meter.name);
      show();
    },
  };
}

// The large number with its direction; once it is stale, the time without telegrams takes its place.
function hero(meter, choice, figure) {
  const { name, state, age, isServed, is_simulated: isSimulated } = meter;
  const { kind, sign, words, big, say } = isServed ? powerOf(meter) : state === "never" || age === null ? nothingOf(meter) : silenceOf(meter);
  return h(`section.card.s8.hero.${state}`, { "aria-label": `${name}: ${t("now_net_power")}` },
    h("div",
      h("div.hero-top", choice || h("span", t(isServed ? "now_net_power" : "now_net_power_last")),
        isSimulated && h("span.simulated", mark("simulated"), t("now_simulated"))),
      h("p.direction", { class: kind }, sign, h("span", words)), big, h("p.soft", say)),
    h("figure", figure), h("div.age", ageLine(meter)));
}

function powerOf({ power_net_w: watts, units }) {
  const digits = number(watts, 0, "never");
  const big = h("p.big", { class: digits.length > 4 && "long" }, h("span", digits), watts !== null && h("small", " W"));
  if (watts === null) return { kind: "soft", words: t("now_no_power"), big };
  const kind = watts < 0 ? "exp" : watts > 0 ? "imp" : "soft";
  const unit = units.find((each) => each.power_address !== null);
  return {
    kind, big, words: t(watts < 0 ? "now_exporting" : watts > 0 ? "now_importing" : "now_balanced"),
    sign: s("svg.way", { width: 138, height: 36 }, s("use", { href: "#way" }), watts !== 0 && s("use", { href: `#way-${kind}` })),
    say: unit && t("now_read_at", { value: signed(watts), unit: unit.unit_id, address: unit.power_address }),
  };
}

function silenceOf({ power_net_w: watts, beats, late_after_s: late, state, age, at }) {
  const isLost = state === "lost";
  const arrives = beats.some((beat) => beat.fault === null && at - beat.at < late);
  const parts = `${ageWords(age)} ${t(isLost || arrives ? "now_old" : "now_silent")}`.split(/([\d.,]+)/).filter(Boolean);
  return {
    kind: "bad", sign: mark("stale"), words: t(isLost ? "now_lost" : arrives ? "now_stale_late" : "now_stale"),
    big: h("p.big", parts.map((part) => h(/\d/.test(part) ? "span" : "small", part))),
    say: [t("now_last_at", { at: clock(at - age) }), " ", watts !== null && [h("del", `${signed(watts)} W`), ". "], t("now_not_known")],
  };
}

function nothingOf({ source, telegrams, state }) {
  return {
    kind: state === "never" ? "soft" : "bad", sign: mark(state), big: h("p.big", "—"),
    words: t(state === "lost" ? "now_lost" : telegrams ? "now_unserved" : "now_never"),
    say: source && t("now_waiting", { line: source.details.line ?? source.label, status: labelText(source.status.label).replace(`${source.details.line}, `, "") }),
  };
}

function hourChart(past, [width, height]) {
  const kind = {
    ...POWER, left: 0, height: limited(height ?? 0, 150, 260), right: 46, ends: POWER.lines[0],
    draw: (chart) => [POWER.draw(chart), s("text", { x: chart.edge + 46, y: chart.floor + 19, "text-anchor": "end" }, "kW"),
      past.isServed && s("circle.dot", { cx: chart.x(chart.known.at(-1).at), cy: chart.y(chart.known.at(-1).power_mean_w), r: 4 })],
  };
  const chart = plot(past, kind, Math.max(260, width ?? 0));
  return chart ? picture(chart, chart.content) : h("p.empty", t("now_hour_empty"));
}

// Stale counters are still shown, with the time of their telegram. Other stale values are removed or struck through.
function todayCard(meter) {
  const { today, tariff, tariff_is_low: isLow, demand_w: demand, peak_w: peak, peak_at: peakAt, gas_m3: gas, gas_at: gasAt, isServed, at, age } = meter;
  const times = today && { since: hours(today.since), at: hours(at - (age ?? 0)) };
  const readAt = gasAt && t("now_gas_at", { at: (at - gasAt < DAY_S / 2 ? hours : dayTime)(gasAt) });
  const hasQuarter = isServed && demand !== null;
  return card("", t("now_today"), today && t(isServed ? "now_since" : "now_as_of", times),
    h("dl.stats", counter("now_imported", today?.import_kwh, 2, "kWh", null, "imp"), counter("now_exported", today?.export_kwh, 2, "kWh", null, "exp"),
      gas !== null && counter("now_gas", today?.gas_m3, 3, "m³", readAt),
      tariff !== null && stat(t("now_tariff"), [h("span", { class: !isServed && "struck" }, isLow === null ? tariff : t(isLow ? "now_low" : "now_normal")),
        isLow !== null && h("small", ` ${tariff}`)])),
    (peak !== null || demand !== null) && [h("hr"),
      h("dl.stats", counter("now_peak", (peak ?? NaN) / 1000, 2, "kW", peakAt && dayTime(peakAt)),
        counter("now_quarter", hasQuarter ? demand / 1000 : null, 2, "kW", hasQuarter && t("now_quarter_of", { n: Math.floor((at % 900) / 60) })))]);
}

function counter(name, value, digits, unit, note, key) {
  const sign = key && s("svg", { width: 12, height: 12 }, s(`rect.key-${key}`, { width: 12, height: 12, rx: 2 }));
  return stat([sign, t(name)], [h("span", number(value, digits)), Number.isFinite(value) && h("small", ` ${unit}`)], note);
}

function stat(name, value, note) {
  return h("div.stat", h("dt", name), h("dd", value), h("dd.small.soft", note));
}

function meanwhileCard({ units, source, name, state, at, age }) {
  const kind = ["lost", "never"].includes(state) ? state : "stale";
  const gets = ({ unit_id: unit, map, on_stale: onStale }) => t("now_unit_gets", { unit, map, gets: t(`now_gets_${onStale}`) });
  const values = {
    clients: units.map(gets).join(" ") || t("now_no_unit"),
    line: source && t("now_line_is", { status: labelText(source.status.label) }),
    at: clock(at - (age ?? 0)), device: source?.details.line?.split(/[ ,]/)[0] ?? name,
  };
  const isLoud = kind === "stale" && units.some((unit) => unit.on_stale === "hold");
  return card(".s12", t(`now_${kind}_title`), null, h("div.g", [1, 2, 3].map((part) => h("div", h("h3", t(`now_${kind}_${part}`)),
    h("p.soft", { class: part === 1 && isLoud && "bad" }, t(`now_${kind}_text_${part}`, values))))));
}

// What is not served is not shown. `points` are the buckets of the last hour: the range shrinks only an hour after a peak.
function phasesCard({ phases, main_fuse_a: fuse, limits_v: limits, isServed }, points) {
  const hours = phases.map((_, index) => points.map((point) => point[`power_l${index + 1}_w`]).filter(Number.isFinite));
  const range = nice(0, Math.max(500, ...[...phases.map(({ power_w: power }) => power), ...hours.flat()].map(Math.abs)), 4).at(-1);
  const end = (key) => h("span", t(key, { kw: number(range / 1000, range % 1000 ? 1 : 0) }));
  const notes = [t("now_range_note"), fuse && t("now_fuse", { n: phases.length, a: fuse })].filter(Boolean).join(" · ");
  return card(".s8", t("now_phases"), notes, h("div.phases",
    h("span.head"), h("span.head.ends", end("now_axis_export"), end("now_axis_import")), h("span.head.num", "W"), h("span.head", t("now_voltage")),
    h("span.head", t("now_current")),
    phases.map((phase, index) => {
      const { power_w: power, voltage_v: voltage, current_a: current } = isServed ? phase : {};
      return [h("b", `L${index + 1}`), powerBar(power, hours[index], range), voltageBar(voltage, limits),
        currentBar(current, fuse)];
    })));
}

const strip = (height, ...content) => s("svg", { width: "100%", height }, content);
const block = (kind, from, to, height, y = 0) => s(`rect.${kind}`, { x: `${from}%`, y, width: `${to - from}%`, height });
const upright = (kind, place, y1, y2) => s(`line.${kind}`, { x1: `${place}%`, x2: `${place}%`, y1, y2 });

function powerBar(watts, hour, range) {
  const isKnown = Number.isFinite(watts);
  const kind = !isKnown ? "soft" : watts < 0 ? "exp" : "imp";
  const place = (value) => 50 + 50 * limited(value / range, -1, 1);
  const bar = (name, from, to) => block(name, place(from), place(to), 16, 2);
  return [
    strip(20, bar("track.wide", -range, range), hour.length > 0 && bar("whisker", Math.min(...hour), Math.max(...hour)),
      isKnown && bar(`bar-${kind}`, Math.min(0, watts), Math.max(0, watts)), watts < 0 && upright("edge-exp", place(watts), 2, 18),
      upright("centre", 50, 0, 20)),
    h("span.watts", { class: isKnown ? `${kind} live` : kind }, signed(watts)),
  ];
}

function voltageBar(volts, [lowest, highest]) {
  const isNear = volts > highest - NEAR_LIMIT_V || volts < lowest + NEAR_LIMIT_V;
  const place = 100 * limited((volts - lowest) / (highest - lowest), 0, 1);
  return limitBar("voltage", volts, "V", `${lowest}–${highest}`, upright(isNear ? "needle.near" : "needle", place, -3, 9));
}

function currentBar(amperes, fuse) {
  return limitBar("current", amperes, "A", fuse && t("now_of_fuse", { a: fuse }),
    fuse && block(amperes > fuse ? "fill.near" : "fill", 0, 100 * limited(amperes / fuse, 0, 1), 6));
}

function limitBar(kind, value, unit, limit, drawn) {
  const isKnown = Number.isFinite(value);
  return h(`div.limits.${kind}`, h("p", h("span", { class: isKnown && "live" }, isKnown ? `${number(value, 1)} ${unit}` : "—"), h("span.soft.small", limit)),
    drawn && strip(6, block("track", 0, 100, 6), isKnown && drawn));
}

// The telegrams of the last minute, a bar for each, as high as its interval.
function lineCard(meter) {
  const { today, variant, is_simulated: isSimulated, phases } = meter;
  return card(phases.length ? "" : ".s12", t("now_line"), t("now_line_note"), beatStrip(meter),
    facts(".facts", [[t("now_telegrams"), number(today?.telegrams)], [t("now_refused"), number(today?.refused)],
      [t("now_meter"), [titleOf(variant), isSimulated && t("now_simulated")].filter(Boolean).join(", ") || "—"]]));
}

function beatStrip({ beats, due_s: due, late_after_s: late, at, isServed }) {
  const shown = beats.filter((beat) => at - beat.at < BEATS_S);
  const accepted = shown.filter(({ fault }) => fault === null).length;
  const end = (time) => limited(100 * (1 - (at - time) / BEATS_S), 1, 100);
  const silence = (from, to) => block("gap", end(from), Math.max(end(from), end(to) - 1), 50);
  const last = shown.at(-1)?.at ?? 0;
  return s("svg", { width: "100%", height: 56, "aria-label": t("now_beats_label", { accepted, refused: shown.length - accepted }) },
    shown.map(({ at: time, interval_s: before, fault }) => {
      const [x, height] = [`${end(time) - 1}%`, limited(24 * (before ?? due) / due, 6, 46)];
      return [before > late && silence(time - before, time),
        fault === null ? s("rect.beat", { class: before > 1.5 * due && "long", x, y: 50 - height, width: "1%", height, rx: 1 })
          : s("svg", { x, y: 34 }, s("path.refused", { d: "M0 0l6 6m0-6l-6 6" }, s("title", refusal(fault))))];
    }),
    (at - last > late || !isServed) && silence(last, at), s("line.axis.zero", { x2: "100%", y1: 50.5, y2: 50.5 }));
}

function readersCard(hosts, { isServed }) {
  const count = hosts.length > 0 && h("span.soft.small", t("now_clients", { n: hosts.length }));
  return card(".s12", t("now_who"), [count, h("span.grow", h("a", { href: "#clients" }, t("now_all_clients")))],
    hosts.length ? h("ul.who", hosts.slice(0, READERS).map((host) => readerItem(host, isServed))) : h("p.soft", t("now_nobody")));
}

function readerItem(host, isServed) {
  const state = host.state === "ok" && !isServed ? "stale" : host.state;
  const isWrong = state === "mistake";
  const rate = host.requests_per_s !== null && t("now_per_s", { n: number(host.requests_per_s, 1) });
  const what = host.name ? host.host : host.map ?? host.transport;
  return h("li", h("a", { href: "#clients", class: isWrong && "trouble" }, clientMark(state), h("b", host.name || host.host),
    h("span", [what, rate].filter(Boolean).join(" · ")), h("span", isWrong ? t("hosts_state_mistake")
      : host.kind === "passthrough" ? t("now_reads_telegrams") : insteadOfValues(host) ?? host.reads)));
}
