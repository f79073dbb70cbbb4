// The phases of a meter: power around zero, voltage between its limits, current against the main fuse.

import { card, h, s } from "./dom.js";
import { limited } from "./drawing.js";
import { number, signed, t } from "./texts.js";

const RANGES_W = [500, 1000, 2500, 5750, 11_500, 23_000];
const NEAR_LIMIT_V = 3;

// `points` are the buckets of the last hour. What is not served is not shown.
export function phasesCard({ phases, main_fuse_a: fuse, limits_v: limits, isServed }, points) {
  const hours = phases.map((_, index) => points.map((point) => point[`power_l${index + 1}_w`]).filter(Number.isFinite));
  // The smallest range that has room for the last hour; so it shrinks only an hour after a peak.
  const largest = Math.max(0, ...[...phases.map(({ power_w: power }) => power), ...hours.flat()].map(Math.abs));
  const range = RANGES_W.find((each) => each >= largest) ?? 5000 * Math.ceil(largest / 5000);
  const end = (key) => h("span", t(key, { kw: number(range / 1000, range % 1000 ? 1 : 0) }));
  const notes = [t("now_range_note"), fuse && t("now_fuse", { n: phases.length, a: fuse })].filter(Boolean).join(" · ");
  return card(".s8", t("now_phases"), h("span.grow.soft.small", notes), h("div.phases",
    h("span.head"), h("span.head.ends", end("now_axis_export"), end("now_axis_import")), h("span.head.num", "W"), h("span.head", t("now_voltage")),
    h("span.head", t("now_current")),
    phases.map((phase, index) => {
      const { power_w: power, voltage_v: voltage, current_a: current } = isServed ? phase : {};
      return [h("b", `L${index + 1}`), powerBar(power, hours[index], range), voltageBar(voltage, limits),
        currentBar(current, fuse)];
    })));
}

function stretched(properties, viewBox, ...content) {
  return s("svg", { width: "100%", viewBox, preserveAspectRatio: "none", ...properties }, content);
}

function powerBar(watts, hour, range) {
  const isKnown = Number.isFinite(watts);
  const kind = !isKnown ? "soft" : watts < 0 ? "exp" : "imp";
  const share = (value) => 100 * limited(value / range, -1, 1);
  const bar = (name, from, to) => s(`rect.${name}`, { x: share(from), y: 2, width: share(to) - share(from), height: 16 });
  return [
    stretched({ class: "power-bar", height: 20 }, "-100 0 200 20", bar("track", -range, range),
      hour.length > 0 && bar("whisker", Math.min(...hour), Math.max(...hour)),
      isKnown && bar(`bar-${kind}`, Math.min(0, watts), Math.max(0, watts)), watts < 0 && s("path.edge-exp", { d: `M${share(watts)} 2V18` }),
      s("path.centre", { d: "M0 0V20" })),
    h("span.watts", { class: isKnown ? `${kind} live` : kind }, signed(watts)),
  ];
}

function voltageBar(volts, [lowest, highest]) {
  const at = 100 * limited((volts - lowest) / (highest - lowest), 0, 1);
  const isNear = volts > highest - NEAR_LIMIT_V || volts < lowest + NEAR_LIMIT_V;
  return limitBar("voltage", volts, "V", `${lowest}–${highest}`, s("path.needle", { class: isNear && "near", d: `M${at} -3V9` }));
}

function currentBar(amperes, fuse) {
  return limitBar("current", amperes, "A", fuse && t("now_of_fuse", { a: fuse }),
    fuse && s("rect.fill", { class: amperes > fuse && "near", width: 100 * limited(amperes / fuse, 0, 1), height: 6 }));
}

function limitBar(kind, value, unit, limit, drawn) {
  const isKnown = Number.isFinite(value);
  return h(`div.limits.${kind}`, h("p", h("span", { class: isKnown && "live" }, isKnown ? `${number(value, 1)} ${unit}` : "—"), h("span.soft.small", limit)),
    drawn && stretched({ height: 6 }, "0 0 100 6", s("rect.track", { width: 100, height: 6 }), isKnown && drawn));
}
