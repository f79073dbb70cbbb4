// The phases of a meter: power around zero, voltage between its limits, current against the main fuse.

import { card, h, s } from "./dom.js";
import { limited } from "./drawing.js";
import { fixed, signed, t } from "./texts.js";

const RANGES_W = [500, 1000, 2500, 5750, 11_500, 23_000];
const NEAR_LIMIT_V = 3;

// `points` are the buckets of the last hour.
export function phasesCard({ phases, main_fuse_a: fuse, limits_v: limits, isServed }, points) {
  const hourOf = (index) => points.map((point) => point[`power_l${index + 1}_w`]).filter(Number.isFinite);
  const powers = [...phases.map(({ power_w: power }) => power ?? 0), ...phases.flatMap((_, index) => hourOf(index))].map(Math.abs);
  // The smallest range that has room for the last hour; so it shrinks only an hour after a peak.
  const largest = Math.max(0, ...powers);
  const range = RANGES_W.find((each) => each >= largest) ?? 5000 * Math.ceil(largest / 5000);
  const end = (key) => h("span", t(key, { kw: fixed(range / 1000, range % 1000 ? 1 : 0) }));
  const notes = [t("now_range_note"), fuse && t("now_fuse", { n: phases.length, a: fuse })].filter(Boolean).join(" · ");
  return card(".s8", t("now_phases"), h("span.grow.soft.small", notes), h("div.phases",
    h("span.head"), h("span.head.ends", end("now_axis_export"), end("now_axis_import")), h("span.head.num", "W"), h("span.head", t("now_voltage")),
    h("span.head", t("now_current")),
    phases.map(({ power_w: power, voltage_v: voltage, current_a: current }, index) => [
      index > 0 && h("span.between"), h("b", `L${index + 1}`),
      powerBar(isServed ? power ?? null : null, hourOf(index).map((value) => value / range), range),
      voltageBar(isServed ? voltage ?? null : null, limits), currentBar(isServed ? current ?? null : null, fuse)])));
}

function stretched(properties, viewBox, ...content) {
  return s("svg", { width: "100%", viewBox, preserveAspectRatio: "none", "aria-hidden": "true", ...properties }, content);
}

function powerBar(watts, hour, range) {
  const bar = (kind, from, to) => s(`rect.${kind}`, { x: 100 * from, y: 2, width: 100 * (to - from), height: 16 });
  const share = limited((watts ?? 0) / range, -1, 1);
  const kind = watts === null ? "soft" : watts < 0 ? "exp" : "imp";
  return [
    stretched({ class: "power-bar", height: 20 }, "-100 0 200 20", bar("track", -1, 1),
      hour.length > 0 && bar("whisker", Math.max(-1, Math.min(...hour)), Math.min(1, Math.max(...hour))),
      watts !== null && bar(`bar-${kind}`, Math.min(0, share), Math.max(0, share)), share < 0 && s("path.edge-exp", { d: `M${100 * share} 2V18` }),
      s("path.centre", { d: "M0 0V20" })),
    h("span.watts", { class: `${kind}${watts === null ? "" : " live"}` }, watts === null ? "—" : signed(watts)),
  ];
}

function limitBar(kind, value, limit, ...content) {
  return h(`div.limits.${kind}`, h("p", h("span", { class: value && "live" }, value ?? "—"), h("span.soft.small", limit)),
    content.length > 0 && stretched({ height: 6 }, "0 0 100 6", s("rect.track", { width: 100, height: 6 }), content));
}

function voltageBar(volts, [lowest, highest]) {
  const at = 100 * limited((volts - lowest) / (highest - lowest), 0, 1);
  const isNear = volts > highest - NEAR_LIMIT_V || volts < lowest + NEAR_LIMIT_V;
  return limitBar("voltage", volts === null ? null : `${fixed(volts, 1)} V`, `${lowest}–${highest}`,
    volts !== null && s("path.needle", { class: isNear && "near", d: `M${at} -3V9` }));
}

function currentBar(amperes, fuse) {
  const text = amperes === null ? null : `${fixed(amperes, 1)} A`;
  if (!fuse) return limitBar("current", text, null);
  const fill = amperes !== null && s("rect.fill", { class: amperes > fuse && "near", width: 100 * limited(amperes / fuse, 0, 1), height: 6 });
  return limitBar("current", text, t("now_of_fuse", { a: fuse }), fill);
}
