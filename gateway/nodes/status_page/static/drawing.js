// Helpers of drawings. Those without an element in them are pure: numbers in, numbers and path texts out.

import { s } from "./dom.js";
import { isKnown } from "./series.js";
import { fixed, hours, signed, t } from "./texts.js";

export const [TOP, BOTTOM] = [8, 24]; // space above and below the values of a chart
const STEPS_S = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

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

export function powerTicks(values) {
  return nice(Math.min(0, ...values), Math.max(0, 0.1, ...values), 4);
}

// Round clock times between two moments in unix seconds, at most `count`; `offsetS` is the local time minus UTC.
export function timeTicks(from, to, count, offsetS = -60 * new Date(1000 * to).getTimezoneOffset()) {
  const step = STEPS_S.find((each) => (to - from) / each <= count) ?? STEPS_S.at(-1);
  const first = Math.ceil((from + offsetS) / step) * step - offsetS;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, index) => first + index * step);
}

export function digitsOf(ticks) {
  return [0, 1].find((digits) => ticks.every((tick) => Math.abs(tick * 10 ** digits - Math.round(tick * 10 ** digits)) < 1e-5)) ?? 2;
}

// Stretches of points that are all known; a line is drawn along each, and never from one to the next.
export function runs(points, has) {
  return points.reduce((found, point, index) => {
    if (!has(point)) return found;
    if (index && has(points[index - 1])) found.at(-1).push(point);
    else found.push([point]);
    return found;
  }, []);
}

export function gaps(points, has) {
  return runs(points, (point) => !has(point)).map((run) => [run[0], run.at(-1)]);
}

// A path through places [x, y]. A single place becomes a short line, so that it is seen.
export function path(places) {
  return `M${places.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}${places.length === 1 ? "h1" : ""}`;
}

export function limited(value, low, high) {
  return Math.max(low, Math.min(high, value));
}

export function picture(width, height, properties, ...content) {
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, ...properties }, content);
}

export function hatch(from, to, y, height) {
  return to - from < 0.5 ? null : s("rect.gap", { x: from, y, width: to - from, height });
}

// The places of times and values in a chart, whose space for labels is at the left and at the right.
export function scales({ width, height, left, right, ticks, at, span }) {
  const [low, high] = [ticks[0], ticks.at(-1)];
  const [edge, floor] = [width - right, height - BOTTOM];
  return {
    left, edge, floor,
    x: (time) => left + (edge - left) * limited(1 - (at - time) / span, 0, 1),
    y: (value) => TOP + (floor - TOP) * (1 - (value - low) / (high - low)),
  };
}

// The axes with their labels: values in the wider space, and "now" at an end that is fresh.
export function axes({ left, edge, floor, x, y }, { ticks, isSigned, at, span, isServed, count }) {
  const digits = digitsOf(ticks);
  const value = (tick) => (tick === 0 ? "0" : isSigned ? signed(tick, digits) : fixed(tick, digits));
  const place = left ? { x: left - 8, "text-anchor": "end" } : { x: edge + 7 };
  const times = timeTicks(at - span, at, count).filter((tick) => x(tick) > left + 14 && edge - x(tick) > (isServed ? 46 : 14));
  return s("g",
    ticks.map((tick) => [s("path.axis", { class: tick === 0 && "zero", d: `M${left} ${y(tick)}H${edge}` }),
      s("text", { ...place, y: y(tick) + 4 }, value(tick))]),
    times.map((tick) => [s("path.axis", { d: `M${x(tick)} ${floor}v4` }),
      s("text", { x: x(tick), y: floor + 19, "text-anchor": "middle" }, hours(tick))]),
    isServed && s("text", { x: edge, y: floor + 19, "text-anchor": "end" }, t("axis_now")));
}

// The times without telegrams as [from, to]; the last one ends with the chart while nothing comes.
export function silences(points, bucketS, { isServed, end, at }, has = isKnown) {
  const found = gaps(points, has).map(([first, last]) => [first.at - bucketS / 2, last.at + bucketS / 2]);
  return isServed ? found : [...found, [end, at]];
}

let clips = 0;

// An area around zero: import above it, export below it and hatched, nothing where no telegram came.
export function area(points, has, x, y, zeroY) {
  const found = runs(points, has);
  const lines = found.map((run) => path(run.map((point) => [x(point), y(point)])));
  const fill = found.map((run, index) => `${lines[index]}L${x(run.at(-1)).toFixed(1)} ${zeroY}L${x(run[0]).toFixed(1)} ${zeroY}Z`);
  clips += 1;
  const half = (kind, top, height) => [
    s("clipPath", { id: `clip-${kind}-${clips}` }, s("rect", { x: -10, y: top, width: 9000, height })),
    s("g", { "clip-path": `url(#clip-${kind}-${clips})` }, s(`path.area-${kind}`, { d: fill.join("") }),
      s(`path.line-${kind}`, { d: lines.join("") })),
  ];
  return s("g", half("imp", -50, zeroY + 50), half("exp", zeroY, 900));
}

// The last hour in a row of a table: values in watts or null, oldest first, between the ends of `range`.
export function spark(values, width, height, [low, high]) {
  const points = values.map((value, index) => ({ value, index }));
  const has = ({ value }) => value !== null;
  const step = width / Math.max(1, values.length - 1);
  const x = ({ index }) => index * step;
  const y = ({ value }) => 2 + (height - 4) * (1 - (value - low) / (high - low));
  const zeroY = y({ value: 0 });
  return picture(width, height, { "aria-hidden": "true" },
    gaps(points, has).map(([first, last]) => hatch(Math.max(0, x(first) - step / 2), Math.min(width, x(last) + step / 2), 0, height)),
    s("path.axis", { d: `M0 ${zeroY}H${width}` }), area(points, has, x, y, zeroY));
}
