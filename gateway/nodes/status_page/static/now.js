// How much, which way, and whether that is true now: the newest readings of one meter.
// No reading is shown as fresh that is not: the page's own clock takes them away, without waiting for an event.

import { card, facts, h, make, memo, render, s, segments } from "./dom.js";
import { limited, picture, plot, POWER } from "./drawing.js";
import { ageLine, clientMark, mark } from "./marks.js";
import { phasesCard } from "./phases.js";
import { series } from "./series.js";
import { ageWords, clock, dayTime, hours, insteadOfValues, labelText, language, number, refusal, signed, t } from "./texts.js";

const DAY_S = 86_400;
const BEATS_S = 60;
const READERS = 8;

export function create(gateway) {
  const hour = series("hour");
  const drawn = memo();
  const element = make(h("div"));
  let chosen = gateway.meterName;
  let hosts = [];
  let shown = "";

  function choose(name) {
    chosen = name;
    history.replaceState(null, "", `#now/${encodeURIComponent(name)}`);
    gateway.restream();
  }

  function show() {
    const meter = gateway.watched();
    if (!meter) {
      if (gateway.event?.is_serving) render(element, h("p.soft", t("now_no_meter")));
      return;
    }
    shown = meter.state;
    const past = hour.known(meter);
    const box = element.querySelector("figure");
    const size = [box?.clientWidth, box?.clientHeight];
    const figure = drawn([past.key, size], () => hourChart(past, size));
    render(element, h("div.g", hero(meter, choice(meter.name), figure), todayCard(meter), !meter.isServed && meanwhileCard(meter),
      meter.phases.length > 0 && phasesCard(meter, past.points), lineCard(meter),
      readersCard(hosts.filter((host) => host.meters.includes(meter.name)), meter)));
    if (!box) show(); // now the space for the drawing is known
  }

  function choice(current) {
    const { meters } = gateway.event;
    if (meters.length === 1) return gateway.meterCount() > 1 && h("b", current);
    return segments(t("meter"), meters.map((meter) => {
      const { state } = gateway.stateOf(meter);
      return [meter.name, [mark(state, state === "fresh" ? null : t(`state_${state}`)), meter.name]];
    }), current, choose);
  }

  return {
    element,
    get stream() { return { view: "now", meter: chosen }; },
    update: show,
    tick: show,
    resize: show,
    beat() {
      const [meter, line] = [gateway.watched(), element.querySelector(".age")];
      if (!meter || !line) return;
      // Stale readings are removed at that moment, and not with the next second.
      if (meter.state === shown) render(line, ageLine(meter));
      else show();
    },
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
  const hasTitle = state !== "never" && !(isSimulated && choice);
  return h(`section.card.s8.hero.${state}`, { "aria-label": `${name}: ${t("now_net_power")}` },
    h("div",
      h("div.hero-top", choice, hasTitle && h("span", t(isServed ? "now_net_power" : "now_net_power_last")),
        isSimulated && h("span.simulated", mark("simulated"), t("now_simulated"))),
      h("p.direction", { class: kind }, sign, h("span", words)), big, h("p.soft", say)),
    h("figure", figure), h("div.age", ageLine(meter)));
}

function powerOf({ power_net_w: watts, units }) {
  const digits = number(watts, 0, "never");
  const big = h("p.big", { class: digits.length > 4 && "long" }, h("span", digits), watts !== null && h("small", "W"));
  if (watts === null) return { kind: "soft", words: t("now_no_power"), big };
  const kind = watts < 0 ? "exp" : watts > 0 ? "imp" : "soft";
  const value = signed(watts);
  const unit = units.find((each) => each.power_address !== null);
  return {
    kind, big, words: t(watts < 0 ? "now_exporting" : watts > 0 ? "now_importing" : "now_balanced"),
    sign: s("svg.way", { width: 138, height: 36 }, s("use", { href: "#way" }), watts !== 0 && s("use", { href: `#way-${kind}` })),
    say: unit ? t("now_read_at", { value, unit: unit.unit_id, address: unit.power_address }) : t("now_value", { value }),
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
    ...POWER, height: limited(height ?? 0, 150, 260), right: 46, ends: POWER.lines[0],
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
  return card(".s4", t("now_today"), h("span.grow.soft.small", today && t(isServed ? "now_since" : "now_as_of", times)),
    h("dl.stats", counter("now_imported", today?.import_kwh, 2, "kWh", null, "imp"), counter("now_exported", today?.export_kwh, 2, "kWh", null, "exp"),
      gas !== null && counter("now_gas", today?.gas_m3, 3, "m³", readAt),
      tariff !== null && stat(t("now_tariff"), [h("span", { class: !isServed && "struck" }, isLow === null ? tariff : t(isLow ? "now_low" : "now_normal")),
        isLow !== null && h("small", ` ${tariff}`)])),
    (peak !== null || demand !== null) && [h("hr.rule"),
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
  const trouble = language === "en" && source?.details.last_trouble; // the gateway has it in English only
  const values = {
    clients: units.map(gets).join(" ") || t("now_no_unit"),
    line: source && [t("now_line_is", { status: labelText(source.status.label) }), trouble && `${trouble}.`].filter(Boolean).join(" "),
    at: clock(at - (age ?? 0)), device: source?.details.line?.split(/[ ,]/)[0] ?? name,
  };
  const isLoud = kind === "stale" && units.some((unit) => unit.on_stale === "hold");
  return card(".s12", t(`now_${kind}_title`), null, h("div.g", [1, 2, 3].map((part) => h("div.s4", h("h3", t(`now_${kind}_${part}`)),
    h("p.soft", { class: part === 1 && isLoud && "bad" }, t(`now_${kind}_text_${part}`, values))))));
}

// The telegrams of the last minute, a bar for each, as high as its interval.
function lineCard(meter) {
  const { today, variant, is_simulated: isSimulated, phases } = meter;
  return card(phases.length ? ".s4" : ".s12", t("now_line"), h("span.grow.soft.small", t("now_line_note")), beatStrip(meter),
    facts(".facts", [[t("now_telegrams"), number(today?.telegrams ?? 0)], [t("now_refused"), number(today?.refused ?? 0)],
      [t("now_meter"), [variant, isSimulated && t("now_simulated")].filter(Boolean).join(", ") || "—"]]));
}

function beatStrip({ beats, due_s: due, late_after_s: late, at, isServed }) {
  const shown = beats.filter((beat) => at - beat.at < BEATS_S);
  const accepted = shown.filter(({ fault }) => fault === null).length;
  const end = (time) => limited(100 * (1 - (at - time) / BEATS_S), 1, 100);
  const silence = (from, to) => s("rect.gap", { x: `${end(from)}%`, width: `${Math.max(0, end(to) - end(from) - 1)}%`, height: 50 });
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
