// The last hour of a meter: its power, and the time between its telegrams.

import { h, s, select } from "./dom.js";
import { age, number, t } from "./texts.js";

const WIDEST = 900;
const NARROW = 500;
const HEIGHT = 220;
const LEFT = 80;
const BOTTOM = 24;
const TOP = 10;
const LONGEST_MIN = 60;
const SHORTEST_MIN = 4;

let width = WIDEST;

export function create(gateway, refresh) {
  const state = { meter: null };
  let controlled = "";
  const controls = h("div", { class: "controls" });
  const drawing = h("div", {});
  const element = h("div", {}, controls, drawing);

  function update() {
    const names = gateway.status.meters.map((meter) => meter.name);
    const key = JSON.stringify(names);
    if (key === controlled) return;
    controlled = key;
    if (!names.includes(state.meter)) state.meter = names[0] ?? null;
    controls.replaceChildren(select(t("meter"), names.map((name) => [name, name]), state.meter, (name) => { state.meter = name; refresh(); }));
  }

  return {
    element,
    update,
    async refresh() {
      if (state.meter === null) return;
      const { buckets, bucket_s: bucketS } = await gateway.get("api/history", { meter: state.meter });
      // As wide as the page, so that the text in a chart has the same size as all other text.
      width = Math.min(WIDEST, Math.max(280, drawing.clientWidth - 26));
      drawing.replaceChildren(
        h("section", { class: "card" }, h("h2", {}, t("power_chart")), powerChart(buckets, bucketS, gateway.status.at)),
        h("section", { class: "card" }, h("h2", {}, t("interval_chart")), intervalChart(buckets, bucketS, gateway.status.at)));
    },
  };
}

function powerChart(buckets, bucketS, now) {
  const known = buckets.filter((each) => each.power_mean_w !== null);
  if (!known.length) return h("p", { class: "quiet" }, t("no_history"));
  const lowest = Math.min(0, ...known.map((each) => each.power_lowest_w));
  const highest = Math.max(0, ...known.map((each) => each.power_highest_w));
  const { x, y, axes } = scales(lowest, highest, known[0].at, now, (value) => `${number(value)} W`);
  const band = runs(known, bucketS).map((run) => s("path", { class: "band",
    d: `M${run.map((each) => `${x(each.at)} ${y(each.power_highest_w)}`).join("L")}L${run.toReversed().map((each) => `${x(each.at)} ${y(each.power_lowest_w)}`).join("L")}Z` }));
  const curve = runs(known, bucketS).map((run) => s("path", { class: "curve", d: `M${run.map((each) => `${x(each.at)} ${y(each.power_mean_w)}`).join("L")}h.1` }));
  const label = t("chart_power_label", { now: `${number(known.at(-1).power_mean_w)} W`, lowest: `${number(Math.min(...known.map((each) => each.power_lowest_w)))} W`, highest: `${number(Math.max(...known.map((each) => each.power_highest_w)))} W` });
  return [chart(label, axes, band, curve), h("p", { class: "quiet" }, label)];
}

function intervalChart(buckets, bucketS, now) {
  const known = buckets.filter((each) => each.longest_interval_s !== null);
  if (!known.length) return h("p", { class: "quiet" }, t("no_history"));
  const longest = Math.max(...known.map((each) => each.longest_interval_s));
  const refused = buckets.reduce((sum, each) => sum + each.refused, 0);
  const { x, y, axes } = scales(0, longest, known[0].at, now, (value) => `${number(value, 1)} s`);
  const curve = runs(known, bucketS).map((run) => s("path", { class: "curve", d: `M${run.map((each) => `${x(each.at)} ${y(each.longest_interval_s)}`).join("L")}h.1` }));
  const errors = buckets.filter((each) => each.refused).map((each) => s("rect", { class: "errors", x: x(each.at), y: HEIGHT - BOTTOM - Math.min(60, 12 * each.refused), width: 3, height: Math.min(60, 12 * each.refused) },
    s("title", {}, String(each.refused))));
  const label = t(refused === 1 ? "chart_interval_label_one" : "chart_interval_label", { longest: age(longest), refused });
  return [chart(label, axes, curve, errors), h("p", { class: "quiet" }, label)];
}

// Pieces without a gap: nothing is drawn for a time without telegrams.
function runs(buckets, bucketS) {
  const pieces = [];
  for (const bucket of buckets) {
    const last = pieces.at(-1)?.at(-1);
    if (last && bucket.at - last.at < 2.5 * bucketS) pieces.at(-1).push(bucket);
    else pieces.push([bucket]);
  }
  return pieces;
}

// Axes from the oldest known value (an hour ago at most) until now.
function scales(lowest, highest, first, now, format) {
  const span = highest - lowest || 1;
  const minutes = Math.min(LONGEST_MIN, Math.max(SHORTEST_MIN, 4 * Math.ceil((now - first) / 240)));
  const x = (at) => Math.max(LEFT, LEFT + (width - LEFT - 8) * (1 - (now - at) / (60 * minutes)));
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - lowest) / span);
  const levels = [...new Set([lowest, 0, highest])].filter((value) => value === 0 || Math.abs(y(value) - y(0)) > 14);
  const axes = [
    ...levels.map((value) => s("g", {}, s("path", { class: value === 0 ? "zero" : "axis", d: `M${LEFT} ${y(value)}H${width - 8}` }), s("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, format(value)))),
    ...(width < NARROW ? [4, 0] : [4, 3, 2, 1, 0]).map((quarters) => s("text", { x: x(now - 15 * minutes * quarters), y: HEIGHT - 6, "text-anchor": ["end", "middle", "middle", "middle", "start"][quarters] },
      quarters ? t("minutes_ago", { n: number(minutes * quarters / 4) }) : t("axis_now"))),
  ];
  return { x, y, axes };
}

function chart(label, ...parts) {
  return s("svg", { class: "chart live", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label }, parts.flat());
}
