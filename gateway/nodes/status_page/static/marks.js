// The state of a meter and how it is drawn: the mark, the pill and the age line.
// A state never depends on an event that has to come: the page's own clock makes a meter late and stale.

import { h, s, segments } from "./dom.js";
import { ageWords, clock, span, t } from "./texts.js";

const [MANY_METERS, MANY_EVERY_S] = [20, 5]; // as in `channels.py`
const SHAPES = { late: "M2.5 10.5V4a1.5 1.5 0 0 1 1.5-1.5h6.5z", stale: "M4.3 4.3l4.4 4.4M8.7 4.3l-4.4 4.4" };

// The state of a meter: fresh, late, stale, never or lost, with the age of its readings in seconds, and whether these
// are served. `elapsed` are the seconds since the event that brought `meter`.
export function meterState(meter, elapsed, isLost) {
  const age = meter.age_s === null ? null : meter.age_s + elapsed;
  const state = isLost ? "lost" : age === null ? (meter.telegrams ? "stale" : "never")
    : age > meter.stale_after_s ? "stale" : age > meter.late_after_s ? "late" : "fresh";
  return { state, age, isServed: ["fresh", "late"].includes(state) };
}

// The states of all meters of an event. The whole status of many meters comes seldom: what came since is not known here.
export function meterStates(meters, elapsed, isLost) {
  const unknown = meters.length < MANY_METERS ? 0 : MANY_EVERY_S;
  return meters.map((meter) => meterState(meter, Math.max(0, elapsed - unknown), isLost));
}

// A mark of 13 px: fresh, late, stale, never, lost, idle, simulated or warning. Without a label a screen reader skips it.
export function mark(state, label = null) {
  const drawn = state === "lost" ? "stale" : state;
  return s("svg.mk", { class: drawn, viewBox: "0 0 13 13", "aria-label": label },
    s("rect", { x: 1.5, y: 1.5, width: 10, height: 10, rx: 2.5 }), SHAPES[drawn] && s("path", { d: SHAPES[drawn] }));
}

export const CLIENT_MARKS = { ok: "fresh", mistake: "warning", stale: "stale", idle: "idle" };

export function clientMark(state) {
  return mark(CLIENT_MARKS[state], t(`hosts_state_${state}`));
}

// The meter that a view shows: a choice between a few with their states, or the name of one of many, which Fleet lists.
export function meterChoice(gateway) {
  const { meters, meter } = gateway.event;
  if (meters.length === 1) return gateway.meterCount() > 1 && h("b", meter.name);
  return segments(t("meter"), meters.map((each) => {
    const { state } = gateway.stateOf(each);
    return [each.name, [mark(state, state === "fresh" ? null : t(`state_${state}`)), each.name]];
  }), meter.name, gateway.watch);
}

// The line from 0 to the age at which the readings are stale. Beside it are interval and limit, or what came of a meter
// that never sent a telegram.
export function ageLine({ source, telegrams, state, age, at, due_s: due, late_after_s: late, stale_after_s: limit }) {
  const isKnown = age !== null;
  const kind = isKnown || state === "lost" ? state : telegrams ? "unserved" : "never";
  const line = source?.details.line;
  const share = (seconds) => Math.min(1, seconds / limit);
  const place = (seconds) => ({ style: { left: `${100 * share(seconds)}%` } });
  return h("div.age-line", { class: state },
    h("p.age-head", mark(state), h("span", { class: { late: "warn", stale: "bad" }[state] },
      t(`age_${kind}`, { age: ageWords(age), due: span(due), since: isKnown ? clock(at - age) : "" })),
      h("span.grow", kind !== "never" ? t("age_rule", { due: span(due), limit: span(limit) })
        : line && `${line}, ${t("now_bytes", { n: source.details.bytes_received ?? 0 })}`)),
    h("div.age-track", { "aria-hidden": "true" }, h("i", { style: { transform: `scaleX(${share(age)})` } }),
      isKnown && [h("b", place(due)), h("b", place(late))]),
    h("div.age-labels", { "aria-hidden": "true" }, isKnown ? [
      h("span", "0"),
      share(due) >= 0.06 && h("span.mid", place(due), t("age_due")),
      share(late) - share(due) >= 0.1 && h("span.mid", place(late), t("age_mark_late")),
      h("span.end", t("age_limit", { limit: span(limit) })),
    ] : h("span", t("age_start"))));
}
