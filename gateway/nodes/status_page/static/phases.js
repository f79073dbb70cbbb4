// The phases of a meter: power around zero, voltage between its limits, current against the main fuse.

import { h, s, setText } from "./dom.js";
import { isKnown } from "./series.js";
import { fixed, signed, t } from "./texts.js";

const RANGES_W = [500, 1000, 2500, 5750, 11_500, 23_000];
const NEAR_LIMIT_V = 3;

export function phasesCard() {
  const title = h("h2", {});
  const note = h("span", { class: "grow soft small" });
  const heads = [0, 1, 2, 3, 4].map((index) => h("span", { class: index === 2 ? "head num" : "head" }));
  const ends = [h("span", {}), h("span", {})];
  heads[1].append(...ends);
  heads[1].classList.add("ends");
  const table = h("div", { class: "phases" }, heads);
  const element = h("section", { class: "card s8" }, h("div", { class: "hd" }, title, note), table);
  const rows = [];

  function make(index) {
    if (index) table.append(h("span", { class: "between" }));
    const row = phaseRow(index);
    rows.push(row);
    table.append(...row.elements);
  }

  return {
    element,
    show(meter, now, points) {
      const { phases, main_fuse_a: fuse } = meter;
      element.hidden = phases.length === 0;
      while (rows.length < phases.length) make(rows.length);
      const range = rangeOf(phases, points);
      setText(title, t("now_phases"));
      setText(note, [t("now_range_note"), fuse ? t("now_fuse", { n: phases.length, a: fuse }) : null].filter(Boolean).join(" · "));
      ["now_axis_export", "now_axis_import"].forEach((key, index) => setText(ends[index], t(key, { kw: fixed(range / 1000, range % 1000 ? 1 : 0) })));
      setText(heads[2], "W");
      setText(heads[3], t("now_voltage"));
      setText(heads[4], t("now_current"));
      const known = points.filter(isKnown);
      rows.forEach((row, index) => row.show(phases[index] ?? {}, meter, now, range, known.map((point) => point[`p${index + 1}`]).filter((value) => value !== null && value !== undefined)));
    },
  };
}

// The smallest range that has room for the last hour; so it shrinks only an hour after a peak.
function rangeOf(phases, points) {
  const values = points.filter(isKnown).flatMap((point) => [point.p1, point.p2, point.p3]);
  const largest = Math.max(0, ...[...values, ...phases.map(({ power_w: power }) => power)].map((value) => Math.abs(value ?? 0)));
  return RANGES_W.find((range) => range >= largest) ?? 5000 * Math.ceil(largest / 5000);
}

function phaseRow(index) {
  const span = s("rect", { class: "whisker", y: 2, height: 16 });
  const fill = s("rect", { y: 2, height: 16 });
  const edge = s("path", { class: "edge-exp" });
  const bar = s("svg", { class: "power-bar", width: "100%", height: 20, viewBox: "-100 0 200 20", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "track", x: -100, y: 2, width: 200, height: 16 }), span, fill, edge, s("path", { class: "centre", d: "M0 0V20" }));
  const power = h("span", { class: "watts live" });
  const voltage = limitBar("voltage");
  const current = limitBar("current");
  return {
    elements: [h("b", {}, `L${index + 1}`), bar, power, voltage.element, current.element],
    show({ power_w: watts, voltage_v: volts, current_a: amperes }, { main_fuse_a: fuse, limits_v: [lowest, highest] }, { isServed }, range, hour) {
      const shown = isServed ? watts ?? null : null;
      setText(power, shown === null ? "—" : signed(shown));
      power.setAttribute("class", `watts ${shown === null ? "soft" : shown < 0 ? "live exp" : "live imp"}`);
      const share = (value) => 100 * Math.max(-1, Math.min(1, value / range));
      place(span, hour.length ? share(Math.min(...hour)) : 0, hour.length ? share(Math.max(...hour)) : 0);
      place(fill, Math.min(0, share(shown ?? 0)), Math.max(0, share(shown ?? 0)));
      fill.setAttribute("class", shown !== null && shown < 0 ? "bar-exp" : "bar-imp");
      edge.setAttribute("d", shown !== null && shown < 0 ? `M${share(shown)} 2V18` : "");
      const v = isServed ? volts ?? null : null;
      voltage.show(v === null ? "—" : `${fixed(v, 1)} V`, `${lowest}–${highest}`, v === null ? null : { at: (v - lowest) / (highest - lowest), isNear: v > highest - NEAR_LIMIT_V || v < lowest + NEAR_LIMIT_V });
      const a = isServed ? amperes ?? null : null;
      current.show(a === null ? "—" : `${fixed(a, 1)} A`, fuse ? t("now_of_fuse", { a: fuse }) : "", a === null || !fuse ? null : { to: a / fuse, isNear: a > fuse });
      current.hideBar(!fuse);
    },
  };
}

function place(rect, from, to) {
  rect.setAttribute("x", from.toFixed(2));
  rect.setAttribute("width", Math.max(0, to - from).toFixed(2));
}

// A value between limits: a needle for one with two limits, a fill for one with an upper limit.
function limitBar(kind) {
  const value = h("span", { class: "live" });
  const limit = h("span", { class: "soft small" });
  const needle = s("path", {});
  const fill = s("rect", { height: 6, x: 0 });
  const bar = s("svg", { width: "100%", height: 6, viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { class: "track", width: 100, height: 6 }), fill, needle);
  return {
    element: h("div", { class: `limits ${kind}` }, h("p", {}, value, limit), bar),
    hideBar(isHidden) { bar.toggleAttribute("hidden", isHidden); },
    show(text, limitText, place) {
      setText(value, text);
      value.classList.toggle("live", text !== "—");
      setText(limit, limitText);
      const at = place?.at === undefined ? null : 100 * Math.max(0, Math.min(1, place.at));
      needle.setAttribute("d", at === null ? "" : `M${at} -3V9`);
      needle.setAttribute("class", place?.isNear ? "needle near" : "needle");
      fill.setAttribute("width", place?.to === undefined ? 0 : 100 * Math.max(0, Math.min(1, place.to)));
      fill.setAttribute("class", place?.isNear ? "fill near" : "fill");
    },
  };
}
