// Helpers of drawings. Those without an element in them are pure: numbers in, numbers and path texts out.

import { s } from "./dom.js";
import { hours, t } from "./texts.js";

// Round values from `low` to `high`, about `count` steps; they enclose both.
export function nice(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * (1 - 1e-9)) * power;
  const ticks = [];
  for (let index = Math.floor(low / step + 1e-9); ; index += 1) {
    ticks.push(Math.round(index * step * 1e6) / 1e6);
    if (index * step >= high - step * 1e-9) return ticks;
  }
}

const STEPS_S = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

// Round clock times between two moments in unix seconds, at most `count`; `offsetS` is the local time minus UTC.
export function timeTicks(from, to, count, offsetS = -60 * new Date(1000 * to).getTimezoneOffset()) {
  const step = STEPS_S.find((each) => (to - from) / each <= count) ?? STEPS_S.at(-1);
  const ticks = [];
  for (let at = Math.ceil((from + offsetS) / step) * step - offsetS; at <= to; at += step) ticks.push(at);
  return ticks;
}

// The axis of time from `left` to `right`, with "now" at an end that is fresh.
export function timeAxis({ at, span, isServed }, count, x, left, right, y) {
  const ticks = timeTicks(at - span, at, count).filter((tick) => x(tick) > left + 14 && right - x(tick) > (isServed ? 46 : 14));
  return s("g", {}, ticks.flatMap((tick) => [s("path", { class: "axis", d: `M${x(tick)} ${y}v4` }), s("text", { x: x(tick), y: y + 19, "text-anchor": "middle" }, hours(tick))]),
    isServed ? s("text", { x: right, y: y + 19, "text-anchor": "end" }, t("axis_now")) : null);
}

// The number of decimals that round values need.
export function digitsOf(ticks) {
  return [0, 1].find((digits) => ticks.every((tick) => Math.abs(tick * 10 ** digits - Math.round(tick * 10 ** digits)) < 1e-5)) ?? 2;
}

// A time in which no telegram came.
export function hatch(from, to, y, height) {
  return to - from < 0.5 ? null : s("rect", { class: "gap", x: from, y, width: to - from, height });
}

// Stretches of points that are all known; a line is drawn along each, and never from one to the next.
export function runs(points, isKnown) {
  const found = [];
  let run = null;
  for (const point of points) {
    if (isKnown(point)) {
      if (!run) found.push(run = []);
      run.push(point);
    } else run = null;
  }
  return found;
}

// Stretches of points that are not known, as [first, last].
export function gaps(points, isKnown) {
  return runs(points, (point) => !isKnown(point)).map((run) => [run[0], run.at(-1)]);
}

// A path through places [x, y]. A single place becomes a short line, so that it is seen.
export function path(places) {
  return `M${places.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}${places.length === 1 ? "h1" : ""}`;
}

// The line of `value` over each run, and the area between it and zero.
function areaPaths(found, x, y, zeroY) {
  const lines = found.map((run) => path(run.map((point) => [x(point), y(point)])));
  const fill = found.map((run, index) => `${lines[index]}L${x(run.at(-1)).toFixed(1)} ${zeroY}L${x(run[0]).toFixed(1)} ${zeroY}Z`).join("");
  return { line: lines.join(""), fill };
}

let clips = 0;

// An area around zero: import above it, export below it and hatched, nothing where no telegram came.
export function area(points, isKnown, x, y, zeroY) {
  const { line, fill } = areaPaths(runs(points, isKnown), x, y, zeroY);
  clips += 1;
  const half = (kind, top, height) => [
    s("clipPath", { id: `clip-${kind}-${clips}` }, s("rect", { x: -10, y: top, width: 9000, height })),
    s("g", { "clip-path": `url(#clip-${kind}-${clips})` }, s("path", { class: `area-${kind}`, d: fill }), s("path", { class: `line-${kind}`, d: line })),
  ];
  return s("g", {}, half("imp", -50, zeroY + 50), half("exp", zeroY, 900));
}

// The last hour in a row of a table: values in watts or null, oldest first.
export function spark(values, width, height, range = null) {
  const points = values.map((value, index) => ({ value, index }));
  const isKnown = ({ value }) => value !== null;
  const known = values.filter((value) => value !== null);
  const [low, high] = range ?? [Math.min(0, ...known), Math.max(0, 1, ...known)];
  const x = ({ index }) => width * index / Math.max(1, values.length - 1);
  const y = ({ value }) => 2 + (height - 4) * (1 - (value - low) / (high - low));
  const zeroY = y({ value: 0 });
  const step = width / Math.max(1, values.length - 1);
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    gaps(points, isKnown).map(([first, last]) => hatch(Math.max(0, x(first) - step / 2), Math.min(width, x(last) + step / 2), 0, height)),
    s("path", { class: "axis", d: `M0 ${zeroY}H${width}` }),
    area(points, isKnown, x, y, zeroY));
}

const ICONS = {
  now: "M4 16a8 8 0 0 1 16 0M12 16l4-5", flow: "M3 6h6v5H3zM15 13h6v5h-6zM9 8.500c4 0 2 7 6 7", fleet: "M4 6h16M4 12h16M4 18h16",
  charts: "M4 4v16h16M7 15l4-5 3 3 5-7", clients: "M5 5h14v6H5zM5 14h14v5H5zM8 8h.1M8 16.500h.1", more: "M5 12h.1M12 12h.1M19 12h.1",
};

// The picture of a view in the bar of a phone.
export function icon(name) {
  return s("svg", { class: "icon-view", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: ICONS[name] ?? ICONS.more }));
}
