// The history of a meter as the page keeps it, and how it is drawn. Helpers without an element in them are pure: numbers in,
// numbers and path texts out.

import { s } from "./dom.js";
import { hours, number, signed, t } from "./texts.js";

export const [TOP, BOTTOM] = [8, 24]; // space above and below the values of a chart
const STEPS_S = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const ASK_AFTER_S = 10; // the length of the shortest bucket
const REDRAW_S = 10; // the axis of time moves on, whether telegrams come or not
const SPANS = { hour: 3600, day: 86_400 };

// The last hour or day of the meter that is shown: a point for each bucket of the gateway, completed as buckets end.
export function series(range) {
  const span = SPANS[range];
  let [meter, points, bucketS, askAt] = [null, [], 0, 0];

  return {
    // Asks the gateway for what is new, and returns whether there was a response.
    async follow(gateway, name) {
      if (name !== meter) [meter, points, askAt] = [name, [], 0];
      if (gateway.event.at < askAt) return false;
      // The newest bucket is asked for again, as it may not have ended.
      const newer = await gateway.get("api/series", { meter: name, range, since: points.at(-1)?.at ?? 0 });
      bucketS = newer.bucket_s;
      askAt = newer.at + ASK_AFTER_S;
      points = [...points.filter(({ at }) => at < newer.first), ...pointsOf(newer)].filter(({ at }) => at > newer.at - span);
      // Before the first known bucket, this gateway was not there to measure.
      points.splice(0, points.findIndex(isKnown));
      return true;
    },
    // What is known of a meter at a moment: points up to `end`, which is now only while the readings are fresh. With the same
    // `key`, it looks the same.
    known({ name, at, age, isServed, late_after_s: late }) {
      const own = name === meter ? points : [];
      const end = isServed ? at : age === null ? (own.findLast(isKnown)?.at ?? 0) + bucketS / 2 : at - age;
      const shown = own.filter((point) => point.at > at - span && point.at - bucketS / 2 < end);
      const key = [name, span, shown[0]?.at, shown.length, Math.floor(at / REDRAW_S), isServed];
      return { key, at, span, end, isServed, late, bucketS, points: shown.map((point) => (point.at > end ? { ...point, at: end } : point)) };
    },
  };
}

// A point has the moment in the middle of its bucket and the values of all columns, NaN for what was not measured.
function pointsOf({ first, bucket_s: length, columns }) {
  return columns.telegrams.map((_, index) => {
    const values = Object.entries(columns).map(([name, column]) => [name, column[index] ?? NaN]);
    return { at: first + (index + 0.5) * length, ...Object.fromEntries(values) };
  });
}

export function isKnown({ telegrams }) {
  return telegrams > 0;
}

// Round values from `low` to `high`, about `count` steps; they enclose both.
export function nice(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * (1 - 1e-9)) * power;
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, index) => Math.round((first + index) * step * 1e6) / 1e6);
}

// Round clock times between two moments in unix seconds, at most `count`; `offsetS` is the local time minus UTC.
export function timeTicks(from, to, count, offsetS = -60 * new Date(1000 * to).getTimezoneOffset()) {
  const step = STEPS_S.find((each) => (to - from) / each <= count) ?? STEPS_S.at(-1);
  const first = Math.ceil((from + offsetS) / step) * step - offsetS;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, index) => first + index * step);
}

export function digitsOf(ticks) {
  return Math.max(...ticks.map((tick) => `${tick}`.split(".")[1]?.length ?? 0));
}

// Stretches of points that are all known; a line is drawn along each, and never from one to the next.
export function runs(points, has) {
  const found = [[]];
  for (const point of points) {
    if (has(point)) found.at(-1).push(point);
    else found.push([]);
  }
  return found.filter(({ length }) => length);
}

export function gaps(points, has) {
  return runs(points, (point) => !has(point)).map((run) => [run[0], run.at(-1)]);
}

// A path through places [x, y]. A single place becomes a short line, so that it is seen.
export function path(places) {
  return `M${places.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}${places.length === 1 ? "h1" : ""}`;
}

// The lines through the points that have a value, each as a list of places.
export function linesOf(points, value, x, y) {
  return runs(points, (point) => Number.isFinite(value(point))).map((run) => run.map((point) => [x(point.at), y(value(point))]));
}

export function outline(lines) {
  return lines.map(path).join("");
}

export function limited(value, low, high) {
  return Math.max(low, Math.min(high, value));
}

export function picture({ width, height, label }, ...content) {
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-label": label }, content);
}

function hatch(from, to, y, height) {
  return to - from >= 0.5 && s("rect.gap", { x: from, y, width: to - from, height });
}

// A chart of what a series knows. `kind` has a function for each line, the values that the axis has room for, and how they
// are drawn. Returns the content of the picture with its places of times and values; null while there is nothing to draw.
export function plot(past, kind, width) {
  const { points, at, span, isServed } = past;
  const { height, left = 44, right = 14, ends: endsOf = (point) => kind.lines.map((line) => line(point)), say = (value) => `${number(value, 1)} ${kind.unit}` } = kind;
  const known = points.filter((point) => kind.lines.some((line) => Number.isFinite(line(point))));
  if (!known.length) return null;
  const ends = known.flatMap(endsOf).filter(Number.isFinite);
  const ticks = kind.ticks(ends, past);
  const [low, high] = [ticks[0], ticks.at(-1)];
  const [edge, floor] = [width - right, height - BOTTOM];
  const x = (time) => left + (edge - left) * limited(1 - (at - time) / span, 0, 1);
  const y = (value) => TOP + (floor - TOP) * (1 - (value - low) / (high - low));
  const chart = { ...past, known, ends, high, left, edge, floor, x, y };
  const label = t(`chart_${kind.name}_label`, { from: hours(at - span), lowest: say(Math.min(...ends)), highest: say(Math.max(...ends)),
    refused: known.reduce((sum, { refused }) => sum + refused, 0) });
  const holes = silences(past).map(([from, to]) => [hatch(x(from), x(to), TOP, floor - TOP), kind.saysGaps && gapLabel(x(from), x(to), to === at && from)]);
  return { ...chart, width, height, label, content: s("g", values(chart, kind, ticks), times(chart, width), holes,
    kind.limits?.(past).map((limit) => s("path.limit", { d: `M${left} ${y(limit)}H${edge}` })), kind.draw(chart)) };
}

// Net power in two colours: the chart of Charts and of Now.
export const POWER = {
  name: "power", saysGaps: true, divisor: 1000, write: signed, say: watts,
  lines: [(point) => point.power_mean_w],
  ends: (point) => [point.power_lowest_w, point.power_highest_w],
  ticks: powerTicks,
  draw: ({ points, x, y }) => area(linesOf(points, (point) => point.power_mean_w, x, y), y(0)),
};

export function powerTicks(powers) {
  return nice(Math.min(0, ...powers), Math.max(100, ...powers), 4);
}

export function watts(value) {
  return `${signed(value)} W`;
}

// The words in a time without telegrams, where there is space for them; `since` when it began, if it lasts.
function gapLabel(begin, end, since) {
  return (since || end - begin > 120) && s("text.gap-label", { x: end - 6, y: TOP + 15, "text-anchor": "end" },
    t("chart_no_telegrams"), since && ` ${t("chart_since", { at: hours(since) })}`);
}

// The lines of round values, with labels in the wider space.
function values({ left, edge, y }, { divisor = 1, write = number }, ticks) {
  const digits = digitsOf(ticks.map((tick) => tick / divisor));
  const place = left ? { x: left - 8, "text-anchor": "end" } : { x: edge + 7 };
  return ticks.map((tick) => [s("path.axis", { class: tick === 0 && "zero", d: `M${left} ${y(tick)}H${edge}` }),
    s("text", { ...place, y: y(tick) + 4 }, tick === 0 ? "0" : write(tick / divisor, digits))]);
}

// Round times, and "now" at an end that is fresh.
function times({ at, span, isServed, left, edge, floor, x }, width) {
  const shown = timeTicks(at - span, at, limited(Math.floor(width / 100), 4, 8)).filter((tick) => x(tick) > left + 14 && edge - x(tick) > (isServed ? 46 : 14));
  const label = (place, anchor, text) => s("text", { x: place, y: floor + 19, "text-anchor": anchor }, text);
  return [shown.map((tick) => [s("path.axis", { d: `M${x(tick)} ${floor}v4` }), label(x(tick), "middle", hours(tick))]),
    isServed && label(edge, "end", t("axis_now"))];
}

// The times without telegrams as [from, to]; the last one ends with the chart while nothing comes.
function silences({ points, bucketS, isServed, end, at }) {
  const found = gaps(points, isKnown).map(([first, last]) => [first.at - bucketS / 2, last.at + bucketS / 2]);
  return isServed ? found : [...found, [end, at]];
}

// An area around zero: import above it, export below it and hatched, nothing where no telegram came.
export function area(lines, zeroY) {
  const fill = lines.map((line) => path([[line[0][0], zeroY], ...line, [line.at(-1)[0], zeroY]])).join("");
  const half = (kind, inside) => s("g", { style: { "clip-path": `inset(${inside}) view-box` } },
    s(`path.area-${kind}`, { d: fill }), s(`path.line-${kind}`, { d: outline(lines) }));
  return [half("imp", `-9px -9px calc(100% - ${zeroY}px)`), half("exp", `${zeroY}px -9px -9px`)];
}

// The last hour in a row of a table: values in watts or null, oldest first, between the ends of `range`.
export function spark(values, width, height, [low, high]) {
  const points = values.map((value, at) => ({ at, value }));
  const step = width / Math.max(1, values.length - 1);
  const x = (index) => limited(index * step, 0, width);
  const y = (value) => 2 + (height - 4) * (1 - (value - low) / (high - low));
  return picture({ width, height },
    gaps(points, ({ value }) => value !== null).map(([first, last]) => hatch(x(first.at - 0.5), x(last.at + 0.5), 0, height)),
    s("path.axis", { d: `M0 ${y(0)}H${width}` }), area(linesOf(points, ({ value }) => value, x, y), y(0)));
}
