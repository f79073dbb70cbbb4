// How much, which way, and whether that is true now: the newest readings of one meter.
// No reading is shown as fresh that is not: the page's own clock takes them away, without waiting for an event.

import { h, s, setText } from "./dom.js";
import { area, digitsOf, gaps, hatch, nice, timeAxis } from "./drawing.js";
import { ageLine, mark, setMark } from "./marks.js";
import { fromFirst, isKnown, pointsOf, series } from "./series.js";
import { phasesCard } from "./phases.js";
import { clock, dayTime, exceptionText, fixed, hours, labelText, language, refusal, signed, t } from "./texts.js";

const HOUR_S = 3600;
const BEATS_S = 60;
const READERS = 8;
const REDRAW_MS = 10_000; // the axis of time moves on, whether telegrams come or not

export function create(gateway, refresh) {
  let chosen = gateway.path[0] ?? "";
  let shown = null;
  let hosts = [];
  const hour = series();
  const parts = { choice: meterChoice(choose), hero: hero(gateway), today: todayCard(), meanwhile: meanwhileCard(), phases: phasesCard(), line: lineCard(), readers: readersCard() };
  parts.hero.top.prepend(parts.choice.element);
  const element = h("div", {}, h("div", { class: "g" }, parts.hero.element, parts.today.element, parts.meanwhile.element, parts.phases.element, parts.line.element, parts.readers.element));

  function choose(name) {
    chosen = name;
    history.replaceState(null, "", `#now/${encodeURIComponent(name)}`);
    gateway.restream();
  }

  function update() {
    const { event } = gateway;
    if (!event.meter) {
      if (event.is_serving) setText(parts.hero.words, t("now_no_meter"));
      return;
    }
    if (shown !== event.meter.name) {
      shown = event.meter.name;
      hour.merge({ meter: "", bucket_s: 0, first: 0, columns: { telegrams: [] } });
      parts.hero.chart(null);
    }
    show();
  }

  function show() {
    const { event } = gateway;
    if (!event?.meter) return;
    const meter = { ...event.meters.find(({ name }) => name === event.meter.name), ...event.meter };
    const now = { ...gateway.stateOf(meter), at: gateway.now() };
    // An event has all meters where they are few, and otherwise the one that is watched.
    now.isOneOfMany = event.meters.length < gateway.meterCount();
    const points = hour.data?.meter === meter.name ? pointsOf(hour.data, { w: "power_mean_w", p1: "power_l1_w", p2: "power_l2_w", p3: "power_l3_w" }) : [];
    parts.choice.show(event.meters, meter.name, gateway);
    parts.hero.show(meter, now);
    parts.today.show(meter, now);
    parts.meanwhile.show(meter, now);
    parts.phases.show(meter, now, points);
    parts.line.element.setAttribute("class", `card ${parts.phases.element.hidden ? "s12" : "s4"}`);
    parts.line.show(meter, now);
    parts.readers.show(hosts.filter((host) => host.meters.includes(meter.name)), now);
  }

  return {
    element,
    get stream() { return { view: "now", meter: chosen }; },
    update,
    tick: show,
    beat() {
      const { event } = gateway;
      if (!event?.meter) return;
      const meter = event.meters.find(({ name }) => name === event.meter.name);
      const state = gateway.stateOf(meter);
      parts.hero.age(meter, state);
      // Stale readings are removed at that moment, and not with the next second.
      if (state.state !== parts.hero.state) show();
    },
    resize() { parts.hero.chart(hour.data); parts.line.resize(); },
    async refresh() {
      const { event } = gateway;
      if (!event?.meter) return;
      ({ hosts } = await gateway.get("api/hosts"));
      show();
      const { name } = event.meter;
      const due = hour.data?.meter === name ? hour.since + 2 * hour.data.bucket_s : 0;
      if (event.at < due) return;
      const newer = await gateway.get("api/series", { meter: name, since: hour.data?.meter === name ? hour.since : 0 });
      if (hour.merge(newer)) parts.hero.chart(hour.data);
    },
  };
}

// The other meters beside the one that is shown, each with its mark.
function meterChoice(choose) {
  const element = h("span", { class: "seg", role: "group", hidden: true });
  const buttons = new Map();
  return {
    element,
    show(meters, current, gateway) {
      element.hidden = meters.length < 2;
      if (element.hidden) return;
      element.setAttribute("aria-label", t("meter"));
      if ([...buttons.keys()].join("\n") !== meters.map(({ name }) => name).join("\n")) {
        buttons.clear();
        for (const { name } of meters) buttons.set(name, h("button", { onclick: () => choose(name) }, mark("fresh"), name));
        element.replaceChildren(...buttons.values());
      }
      for (const meter of meters) {
        const { state } = gateway.stateOf(meter);
        const button = buttons.get(meter.name);
        setMark(button.firstChild, state, state === "fresh" ? null : t(`state_${state}`));
        button.setAttribute("aria-pressed", meter.name === current);
      }
    },
  };
}

// The large number with its direction; once it is stale, the time without telegrams takes its place.
function hero(gateway) {
  const title = h("span", {});
  const simulated = h("span", { class: "simulated" }, mark("simulated"), t("now_simulated"));
  const name = h("b", {});
  const top = h("div", { class: "hero-top" }, name, title, simulated);
  const picture = s("svg", { width: 138, height: 36, viewBox: "0 0 138 36", "aria-hidden": "true" },
    s("path", { class: "pylon", d: "M10 33 17 3h4l7 30M6 11h26M9 18h20M13 21l14 10M25 21 11 31M104 17 120 4l16 13M108 15v18h24V15M116 33v-9h8v9" }), s("path", { class: "chevrons" }));
  const sign = mark("never");
  const words = h("span", {});
  const direction = h("p", { class: "direction" }, picture, sign, words);
  const digits = h("span", {});
  const unit = h("small", {});
  const big = h("p", { class: "big" }, digits, unit);
  const former = h("del", {});
  const say = h("p", { class: "soft" });
  const figure = h("figure", {});
  const line = ageLine();
  const element = h("section", { class: "card s8 hero" }, h("div", {}, top, direction, big, say), figure, line.element);
  let drawn = null;
  const it = {
    element, top, words, state: "",
    show(meter, now) {
      it.state = now.state;
      element.dataset.state = now.state;
      element.setAttribute("aria-label", `${meter.name}: ${t("now_net_power")}`);
      setText(name, now.isOneOfMany ? meter.name : "");
      name.hidden = !now.isOneOfMany;
      setText(title, now.isServed ? t("now_net_power") : t("now_net_power_last"));
      title.hidden = now.state === "never" || (meter.is_simulated && top.firstChild.hidden === false);
      simulated.hidden = !meter.is_simulated;
      if (now.isServed) showPower(meter);
      else if (now.state === "never" || now.age === null) showNothing(meter, now);
      else showSilence(meter, now);
      if (drawn && (drawn.isServed !== now.isServed || performance.now() - drawn.at > REDRAW_MS)) it.chart(drawn.data);
    },
    age(meter, state) {
      const { source } = gateway.event.meter;
      line.show(meter, state, gateway.now(), source?.details.line ? `${source.details.line}, ${t("now_bytes", { n: fixed(source.details.bytes_received ?? 0) })}` : "");
    },
    chart(data) {
      const meter = data && gateway.event.meters.find(({ name }) => name === data.meter);
      if (!meter) {
        drawn = null;
        figure.replaceChildren(h("p", { class: "empty" }, t("now_hour_empty")));
        return;
      }
      const { age, isServed } = gateway.stateOf(meter);
      drawn = { data, isServed, at: performance.now() };
      figure.replaceChildren(hourChart(data, figure.clientWidth, figure.clientHeight, gateway.now(), isServed, age));
    },
  };

  function showPower({ power_net_w: watts, units }) {
    const isExport = watts !== null && watts < 0;
    picture.toggleAttribute("hidden", watts === null);
    picture.setAttribute("class", isExport ? "exp" : "imp");
    picture.lastChild.setAttribute("d", [0, 13, 26].map((x) => (isExport ? `M${58 + x} 9l-8 9 8 9` : `M${50 + x} 9l8 9-8 9`)).join(""));
    sign.toggleAttribute("hidden", true);
    setText(words, watts === null ? t("now_no_power") : t(isExport ? "now_exporting" : watts > 0 ? "now_importing" : "now_balanced"));
    direction.setAttribute("class", `direction ${watts === null ? "soft" : isExport ? "exp" : "imp"}`);
    setText(digits, watts === null ? "—" : fixed(Math.abs(watts)));
    setText(unit, watts === null ? "" : "W");
    const unitWith = units.find((each) => each.power_address !== null);
    const text = watts === null ? "" : unitWith ? t("now_read_at", { value: signed(watts), unit: unitWith.unit_id, address: unitWith.power_address }) : t("now_value", { value: signed(watts) });
    setText(say, text);
  }

  function showSilence({ power_net_w: watts, beats, late_after_s: late }, { state, age, at }) {
    const arrives = beats.some((beat) => beat.fault === null && at - beat.at < late);
    picture.toggleAttribute("hidden", true);
    sign.toggleAttribute("hidden", false);
    setMark(sign, "stale");
    setText(words, t(state === "lost" ? "now_lost" : arrives ? "now_stale_late" : "now_stale"));
    direction.setAttribute("class", "direction bad");
    const [length, name] = silence(age);
    setText(digits, length);
    setText(unit, `${name} ${t(state === "lost" || arrives ? "now_old" : "now_silent")}`);
    setText(former, watts === null ? "" : `${signed(watts)} W`);
    const key = `${clock(at - age)}|${former.textContent}|${state}`;
    if (say.dataset.key !== key || !say.contains(former)) {
      say.dataset.key = key;
      say.replaceChildren(t("now_last_at", { at: clock(at - age) }), " ", former, former.textContent ? ". " : " ", t("now_not_known"));
    }
  }

  function showNothing({ source, telegrams }, { state }) {
    picture.toggleAttribute("hidden", true);
    sign.toggleAttribute("hidden", false);
    setMark(sign, state === "never" ? "never" : "stale");
    setText(words, t(state === "lost" ? "now_lost" : telegrams ? "now_unserved" : "now_never"));
    direction.setAttribute("class", `direction ${state === "never" ? "soft" : "bad"}`);
    setText(digits, "—");
    setText(unit, "");
    setText(say, source ? t("now_waiting", { line: source.details.line ?? source.label, status: labelText(source.status.label) }) : "");
  }

  return it;
}

// A silence as a number with its unit: 47 s, 4:13 min, 3:05 h.
function silence(age) {
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  if (age < 60) return [fixed(Math.floor(age)), t("now_unit_s")];
  if (age < HOUR_S) return [`${Math.floor(age / 60)}:${two(age % 60)}`, t("now_unit_min")];
  if (age < 100 * HOUR_S) return [`${Math.floor(age / HOUR_S)}:${two((age % HOUR_S) / 60)}`, t("now_unit_h")];
  return [fixed(Math.floor(age / 86_400)), t("now_unit_d")];
}

// The power of the last hour. The line ends where telegrams end, and "now" is written only at a fresh end.
function hourChart(data, width, height, at, isServed, age) {
  const points = fromFirst(pointsOf(data, { w: "power_mean_w" })).filter((point) => point.at >= at - HOUR_S);
  const isPower = (point) => isKnown(point) && point.w !== null;
  const known = points.filter(isPower);
  if (!known.length) return h("p", { class: "empty" }, t("now_hour_empty"));
  const [w, hh, top, bottom, right] = [Math.max(260, width), Math.max(150, Math.min(260, height)), 8, 22, 46];
  const values = known.map((point) => point.w / 1000);
  const ticks = nice(Math.min(0, ...values), Math.max(0, 0.1, ...values), 4);
  const [low, high] = [ticks[0], ticks.at(-1)];
  const x = (time) => (w - right) * Math.max(0, 1 - (at - time) / HOUR_S);
  const y = (value) => top + (hh - top - bottom) * (1 - (value - low) / (high - low));
  const last = known.at(-1);
  // The end of the last bucket that has telegrams; from there on nothing is known.
  const end = isServed ? at : age === null ? last.at + data.bucket_s / 2 : at - age;
  const digits = digitsOf(ticks);
  const label = t("now_hour_label", { from: hours(at - HOUR_S), lowest: signed(1000 * Math.min(...values)), highest: signed(1000 * Math.max(...values)) });
  const half = data.bucket_s / 2;
  const inner = points.filter((point) => point.at <= last.at);
  return s("svg", { width: w, height: hh, viewBox: `0 0 ${w} ${hh}`, role: "img", "aria-label": label },
    ticks.flatMap((tick) => [s("path", { class: `axis ${tick === 0 ? "zero" : ""}`, d: `M0 ${y(tick)}H${w - right}` }), s("text", { x: w - right + 7, y: y(tick) + 4 }, tick === 0 ? "0" : signed(tick, digits))]),
    gaps(inner, isPower).map(([first, final]) => hatch(x(first.at - half), x(final.at + half), top, hh - top - bottom)),
    isServed ? null : hatch(x(end), w - right, top, hh - top - bottom),
    area(inner, isPower, (point) => x(Math.min(point.at, end)), (point) => y(point.w / 1000), y(0)),
    isServed ? s("circle", { class: "dot", cx: x(last.at), cy: y(last.w / 1000), r: 4 }) : null,
    timeAxis({ at, span: HOUR_S, isServed }, w < 340 ? 4 : 5, x, 0, w - right, hh - bottom),
    s("text", { x: w, y: hh - bottom + 19, "text-anchor": "end" }, "kW"));
}

function stat(key, ...before) {
  const value = h("span", {});
  const unit = h("small", {});
  const note = h("span", { class: "note" });
  const name = h("span", {});
  const figure = h("dd", {}, value, unit);
  const element = h("div", { class: "stat" }, h("dt", {}, before, name), figure, h("dd", { class: "note-row" }, note));
  return {
    element,
    show(text, unitText = "", noteText = "", isOld = false) {
      setText(name, t(key));
      setText(value, text ?? "—");
      setText(unit, text === null ? "" : ` ${unitText}`);
      value.classList.toggle("struck", isOld);
      setText(note, noteText);
    },
  };
}

// Stale counters are still shown, with the time of their telegram. Other stale values are removed or struck through.
function todayCard() {
  const note = h("span", { class: "grow soft small" });
  const title = h("h2", {});
  const key = (kind) => s("svg", { width: 12, height: 12, "aria-hidden": "true" }, s("rect", { class: `key-${kind}`, width: 12, height: 12, rx: 2 }));
  const all = { imported: stat("now_imported", key("imp")), exported: stat("now_exported", key("exp")), gas: stat("now_gas"), tariff: stat("now_tariff"), peak: stat("now_peak"), quarter: stat("now_quarter") };
  const demand = [h("hr", { class: "rule" }), h("dl", { class: "stats" }, all.peak.element, all.quarter.element)];
  const element = h("section", { class: "card s4" }, h("div", { class: "hd" }, title, note),
    h("dl", { class: "stats" }, all.imported.element, all.exported.element, all.gas.element, all.tariff.element), demand);
  const number = (value, digits) => (value === null || value === undefined ? null : fixed(value, digits));
  return {
    element,
    show(meter, now) {
      const { today } = meter;
      setText(title, t("now_today"));
      setText(note, !today ? "" : now.isServed ? t("now_since", { at: hours(today.since) }) : t("now_as_of", { since: hours(today.since), at: hours(now.at - (now.age ?? 0)) }));
      all.imported.show(number(today?.import_kwh, 2), "kWh");
      all.exported.show(number(today?.export_kwh, 2), "kWh");
      all.gas.element.hidden = meter.gas_m3 === null;
      all.gas.show(number(today?.gas_m3, 3), "m³", meter.gas_at === null ? "" : t("now_gas_at", { at: hours(meter.gas_at) }));
      all.tariff.element.hidden = meter.tariff === null;
      const tariff = meter.tariff === null ? null : meter.tariff_is_low === null ? String(meter.tariff) : t(meter.tariff_is_low ? "now_low" : "now_normal");
      all.tariff.show(tariff, meter.tariff_is_low === null ? "" : String(meter.tariff), "", !now.isServed && tariff !== null);
      const hasDemand = meter.peak_w !== null || meter.demand_w !== null;
      for (const each of demand) each.hidden = !hasDemand;
      all.peak.show(meter.peak_w === null ? null : fixed(meter.peak_w / 1000, 2), "kW", meter.peak_at === null ? "" : dayTime(meter.peak_at));
      const minutes = Math.floor((now.at % 900) / 60);
      all.quarter.show(now.isServed && meter.demand_w !== null ? fixed(meter.demand_w / 1000, 2) : null, "kW", now.isServed && meter.demand_w !== null ? t("now_quarter_of", { n: minutes }) : "");
    },
  };
}

// While there is no fresh reading: what clients get, where to look, what happens next.
function meanwhileCard() {
  const columns = [0, 1, 2].map(() => h("div", { class: "s4" }, h("h3", {}), h("p", { class: "soft" })));
  const title = h("h2", {});
  const element = h("section", { class: "card s12", hidden: true }, h("div", { class: "hd" }, title), h("div", { class: "g" }, columns));
  return {
    element,
    show({ units, source, name }, now) {
      element.hidden = now.isServed;
      if (now.isServed) return;
      const kind = now.state === "lost" ? "lost" : now.state === "never" ? "never" : "stale";
      setText(title, t(`now_${kind}_title`));
      const clients = units.map((unit) => t("now_unit_gets", { unit: unit.unit_id, map: unit.map, gets: t(`now_gets_${unit.on_stale}`) })).join(" ") || t("now_no_unit");
      const trouble = language === "en" ? source?.details.last_trouble : null; // the gateway has it in English only
      const look = source ? `${t("now_line_is", { status: labelText(source.status.label) })} ${trouble ? `${trouble}. ` : ""}${t("now_look_stale")}` : t("now_look_stale");
      const texts = { stale: [clients, look, t("now_does_stale")], lost: [t("now_know_lost", { at: clock(now.at - (now.age ?? 0)) }), t("now_look_lost"), t("now_does_lost")],
        never: [t("now_never_plug"), t("now_never_closed"), t("now_never_speed", { line: source?.details.line?.split(/[ ,]/)[0] ?? name })] }[kind];
      columns.forEach((column, index) => {
        setText(column.firstChild, t(`now_${kind}_${index + 1}`));
        setText(column.lastChild, texts[index]);
      });
      columns[0].lastChild.classList.toggle("bad", kind === "stale" && units.some((unit) => unit.on_stale === "hold"));
    },
  };
}

// The telegrams of the last minute, a bar for each, as high as its interval.
function lineCard() {
  const title = h("h2", {});
  const note = h("span", { class: "grow soft small" });
  const strip = h("div", { class: "beats" });
  const names = ["now_telegrams", "now_refused", "now_meter"].map(() => [h("dt", {}), h("dd", { class: "num" })]);
  const element = h("section", { class: "card s4" }, h("div", { class: "hd" }, title, note), strip, h("dl", { class: "facts" }, names.flat()));
  let drawn = "";
  let newest = null;
  const it = {
    element,
    show(meter, now) {
      newest = [meter, now];
      setText(title, t("now_line"));
      setText(note, t("now_line_note"));
      const rows = [["now_telegrams", meter.today ? fixed(meter.today.telegrams) : "0"], ["now_refused", meter.today ? fixed(meter.today.refused) : "0"],
        ["now_meter", [meter.variant, meter.is_simulated ? t("now_simulated") : null].filter(Boolean).join(", ") || "—"]];
      rows.forEach(([name, text], index) => {
        setText(names[index][0], t(name));
        setText(names[index][1], text);
      });
      const key = JSON.stringify([meter.beats.at(-1), Math.floor(now.at), strip.clientWidth, now.state]);
      if (key === drawn) return;
      drawn = key;
      strip.replaceChildren(beatStrip(meter, now, strip.clientWidth));
    },
    resize() { if (newest) it.show(...newest); },
  };
  return it;
}

function beatStrip({ beats, due_s: due, interval_s: interval, late_after_s: late }, { at, isServed }, clientWidth) {
  const [width, height] = [Math.max(200, clientWidth), 56];
  const x = (time) => width * (1 - (at - time) / BEATS_S);
  const shown = beats.filter((beat) => at - beat.at < BEATS_S);
  const bar = Math.max(1.5, Math.min(9, width * Math.min(due, interval ?? due) / BEATS_S - 2.5));
  const accepted = shown.filter((beat) => beat.fault === null);
  const tall = (interval) => Math.max(6, Math.min(46, 24 * (interval ?? due) / due));
  const label = t("now_beats_label", { accepted: accepted.length, refused: shown.length - accepted.length });
  const marks = shown.flatMap((beat) => {
    // A silence of more than some intervals is a hatch before the telegram that ended it.
    const before = beat.interval_s !== null && beat.interval_s > late ? hatch(Math.max(0, x(beat.at - beat.interval_s) + bar), x(beat.at), 0, 50) : null;
    const place = Math.min(width - bar, x(beat.at) - bar / 2);
    const drawing = beat.fault === null
      ? s("rect", { class: `beat ${(beat.interval_s ?? due) > 1.5 * due ? "long" : ""}`, x: place, y: 50 - tall(beat.interval_s), width: bar, height: tall(beat.interval_s), rx: 1 })
      : s("path", { class: "refused", d: `M${x(beat.at) - 3} 34l6 6m0-6l-6 6` }, s("title", {}, refusal(beat.fault)));
    return [before, drawing];
  });
  const last = shown.length ? shown.at(-1).at : -Infinity;
  const gone = at - last > late || !isServed ? hatch(Math.max(0, x(last) + bar / 2 + 1), width, 0, 50) : null;
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, marks, gone, s("path", { class: "axis zero", d: `M0 50.500H${width}` }));
}

// The clients by host: the ones that make a mistake first.
function readersCard() {
  const title = h("h2", {});
  const count = h("span", { class: "soft small" });
  const all = h("a", { href: "#clients" });
  const list = h("ul", { class: "who" });
  const nobody = h("p", { class: "soft" });
  const element = h("section", { class: "card s12" }, h("div", { class: "hd" }, title, count, h("span", { class: "grow" }, all)), list, nobody);
  let drawn = "";
  return {
    element,
    show(hosts, now) {
      const shown = hosts.slice(0, READERS);
      setText(title, t("now_who"));
      setText(all, t("now_all_clients"));
      setText(count, hosts.length ? t(hosts.length === 1 ? "now_client" : "now_clients", { n: hosts.length }) : "");
      setText(nobody, hosts.length ? "" : t("now_nobody"));
      const key = JSON.stringify([shown, now.isServed, title.textContent]);
      if (key === drawn) return;
      drawn = key;
      list.replaceChildren(...shown.map((host) => readerItem(host, now)));
    },
  };
}

function readerItem(host, now) {
  const kind = { mistake: "warning", ok: now.isServed ? "fresh" : "idle" }[host.state] ?? "idle";
  const label = t({ warning: "state_advice", fresh: "now_reader_good", idle: "now_reader_waits" }[kind]);
  const rate = host.requests_per_s === null ? "" : ` · ${t("now_per_s", { n: fixed(host.requests_per_s, 1) })}`;
  return h("li", {}, h("a", { href: "#clients", class: kind === "warning" ? "trouble" : null }, mark(kind, label), h("b", {}, host.name || host.host),
    h("span", {}, `${host.name ? host.host : host.map ?? host.transport}${rate}`), h("span", {}, readsOf(host))));
}

// What it reads; while it gets an exception or nothing, that.
function readsOf({ kind, reads, is_answered: isAnswered, exception }) {
  if (kind === "passthrough") return t("now_reads_telegrams");
  if (!isAnswered) return t("no_response");
  return exception === null ? reads : exceptionText(exception);
}
