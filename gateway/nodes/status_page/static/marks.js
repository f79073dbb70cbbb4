// The state of a meter and how it is drawn: the mark, the pill and the age line.
// A state never depends on an event that has to come: the page's own clock makes a meter late and stale.

import { h, s, setText } from "./dom.js";
import { ageWords, clock, span, t } from "./texts.js";

const SHAPES = {
  late: { class: "half", d: "M2.500 10.500V4a1.500 1.500 0 0 1 1.500-1.500h6.500z" },
  stale: { class: "cross", d: "M4.300 4.300l4.400 4.400M8.700 4.300l-4.400 4.400" },
};

// The state of a meter: fresh, late, stale, never or lost, with the age of its readings in seconds, and whether these
// are served: fresh or late.
// `elapsed` are the seconds since the event that brought `meter`. Late is over three intervals, or halfway to stale.
export function meterState(meter, elapsed, isLost) {
  const age = meter.age_s === null ? null : meter.age_s + elapsed;
  if (isLost) return { state: "lost", age, isServed: false };
  if (age === null) return { state: meter.telegrams ? "stale" : "never", age, isServed: false };
  if (age > meter.stale_after_s) return { state: "stale", age, isServed: false };
  return { state: age > meter.late_after_s ? "late" : "fresh", age, isServed: true };
}

// A mark of 13 px: fresh, late, stale, never, idle, simulated or warning. Without a label a screen reader skips it.
export function mark(state, label = null) {
  return setMark(s("svg", { viewBox: "0 0 13 13" }), state, label);
}

export function setMark(element, state, label = null) {
  const key = `${state}|${label}`;
  if (element.dataset.mark === key) return element;
  element.dataset.mark = key;
  const drawn = state === "lost" ? "stale" : state;
  element.setAttribute("class", `mk ${drawn}`);
  if (label === null) {
    element.removeAttribute("role");
    element.removeAttribute("aria-label");
    element.setAttribute("aria-hidden", "true");
  } else {
    element.removeAttribute("aria-hidden");
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", label);
  }
  element.replaceChildren(s("rect", { x: 1.5, y: 1.5, width: 10, height: 10, rx: 2.5 }),
    ...(SHAPES[drawn] ? [s("path", SHAPES[drawn])] : []));
  return element;
}

// Mark, word and age. Only the word is announced: the age changes each second.
export function pill(element = h("span", { class: "pill" })) {
  const sign = mark("never");
  const word = h("span", {});
  const age = h("span", { class: "soft", "aria-hidden": "true" });
  element.replaceChildren(sign, word, age);
  return {
    element,
    show(state, text, ageText = "") {
      setMark(sign, state);
      setText(word, text);
      setText(age, ageText);
      age.hidden = !ageText;
    },
  };
}

// The line from 0 to the age at which the readings are stale. `show` is called as often as the age is to move.
export function ageLine() {
  const sign = mark("never");
  const words = h("span", {});
  const rule = h("span", { class: "grow" });
  const fill = h("i", { class: "age-fill" });
  const due = h("b", {});
  const late = h("b", {});
  const labels = ["", "mid", "mid", "end"].map((kind) => h("span", { class: kind }));
  const track = h("div", { class: "age-track", "aria-hidden": "true" }, fill, due, late);
  const element = h("div", { class: "age-line" }, h("p", { class: "age-head" }, sign, words, rule), track,
    h("div", { class: "age-labels", "aria-hidden": "true" }, labels));

  function place(node, share) {
    node.style.left = `${(100 * share).toFixed(2)}%`;
  }

  return {
    element,
    // `notes` is the text beside the line for a meter that never sent; otherwise interval and limit are shown.
    show(meter, { state, age }, at, notes = "") {
      const limit = meter.stale_after_s;
      const shown = age === null ? "—" : ageWords(age);
      const kind = age === null && state !== "lost" ? (meter.telegrams ? "unserved" : "never") : state;
      element.setAttribute("class", `age-line ${state}`);
      setMark(sign, state);
      setText(words, t(`age_${kind}`, { age: shown, due: span(meter.due_s), since: age === null ? "" : clock(at - age) }));
      words.setAttribute("class", { late: "warn", stale: "bad" }[state] ?? "");
      setText(rule, kind === "never" ? notes : t("age_rule", { due: span(meter.due_s), limit: span(limit) }));
      fill.style.transform = `scaleX(${age === null ? 0 : Math.min(1, age / limit).toFixed(4)})`;
      due.hidden = late.hidden = age === null;
      const dueShare = Math.min(1, meter.due_s / limit);
      const lateShare = Math.min(1, meter.late_after_s / limit);
      place(due, dueShare);
      place(late, lateShare);
      place(labels[1], dueShare);
      place(labels[2], lateShare);
      setText(labels[0], age === null ? t("age_start") : "0");
      setText(labels[1], age === null || dueShare < 0.06 ? "" : t("age_due"));
      setText(labels[2], age === null || lateShare - dueShare < 0.1 ? "" : t("age_mark_late"));
      setText(labels[3], age === null ? "" : t("age_limit", { limit: span(limit) }));
    },
  };
}
