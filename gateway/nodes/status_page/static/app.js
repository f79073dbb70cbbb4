// The frame of the page: it receives the gateway's events, shows the chosen view, and says when it has lost the gateway.

import { problemItem } from "./broken.js";
import { h, phone, render, s } from "./dom.js";
import { mark, meterState, meterStates } from "./marks.js";
import { ageWords, number, preferredLanguage, setLanguage, t } from "./texts.js";

const VIEWS = ["now", "flow", "fleet", "charts", "registers", "telegram", "clients", "connect"];
const NEEDS_METERS = ["now", "flow", "fleet", "charts"];
const ON_PHONE = ["flow", "charts", "clients"]; // beside the first one
const FEW_METERS = 3;
const SILENCE_MS = 40_000; // the gateway sends an event at least every 15 s
const RETRY_MS = 3_000;
const SLOW_MS = 5_000; // without an event or a response
const BEAT_MS = 250;
const BEATS_PER_TICK = 4;
const ASLEEP_MS = 8_000; // longer between two beats: the machine slept, and the values are old
const BANNER_AFTER_S = 2; // a page that was hidden gets an event at once when it is shown again: only what lasts is announced
const NEXT_THEME = { auto: "dark", dark: "light", light: "auto" };

const byId = (id) => document.getElementById(id);
const main = byId("view");
const skip = document.querySelector(".skip");
let view = null;
let viewName = "";
let events = null;
let watchdog = null;
let askedAt = 0;
let isRefreshing = false;
let isOutdated = false;
let isReady = false; // the newest event is one of the stream of the view

const gateway = {
  status: null, event: null, meterName: "", receivedAt: 0, isLost: false, showsIdentifiers: false,
  // Shows another meter, here and in the views that are opened next.
  watch(name) {
    gateway.meterName = name;
    history.replaceState(null, "", `#${viewName}/${encodeURIComponent(name)}`);
    listen();
  },
  // Seconds since the newest event, so that the ages on the page keep growing, and the present time of the gateway.
  elapsed: () => (performance.now() - gateway.receivedAt) / 1000,
  now: () => gateway.event.at + gateway.elapsed(),
  stateOf: (meter) => meterState(meter, gateway.elapsed(), gateway.isLost),
  // The meter of the stream, with its state at this moment. An event has all meters where they are few, otherwise this one.
  watched() {
    const { meters, meter } = gateway.event ?? {};
    const found = meter && meters.find(({ name }) => name === meter.name);
    return found && { ...found, ...meter, ...gateway.stateOf(found), at: gateway.now() };
  },
  meterCount: () => Object.values(gateway.event.counts).reduce((sum, count) => sum + count),
  async get(path, parameters = {}) {
    const response = await fetch(`${path}?${new URLSearchParams(parameters)}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  },
};

function receive({ data }) {
  const before = gateway.event?.version;
  gateway.event = JSON.parse(data);
  if (before && before !== gateway.event.version) return location.reload(); // the files of this page are old
  if (gateway.event.servers) gateway.status = gateway.event;
  gateway.receivedAt = performance.now();
  isReady = true;
  setLost(false);
  if (wantedView() !== viewName) {
    choose();
    return;
  }
  showFrame();
  view?.update();
  refresh();
}

// One request at a time: on a slow network, requests would queue up. What is chosen meanwhile needs another one; while
// the meter is offline, no event would bring it.
async function refresh() {
  if (!isReady || !view?.refresh || !gateway.event.is_serving) return;
  isOutdated = true;
  if (isRefreshing) return;
  isRefreshing = true;
  while (isOutdated && isReady) {
    isOutdated = false;
    askedAt = performance.now();
    await view.refresh?.().catch(() => {}); // the stream of events shows whether the gateway can be reached
  }
  isRefreshing = false;
}

function setLost(isLost) {
  if (gateway.isLost === isLost) return;
  gateway.isLost = isLost;
  document.body.classList.toggle("lost", isLost);
  showFrame();
  if (isLost && isReady) view?.update();
}

function showFrame() {
  render(byId("tabs"), tabs());
  const isLostLong = gateway.isLost && gateway.elapsed() > BANNER_AFTER_S;
  render(byId("banner"), isLostLong && [mark("stale"), t("lost")]);
  if (!gateway.event) return;
  const { problems, warnings, is_serving: isServing } = gateway.event;
  list("problems", t(isServing ? "problems" : "broken_title"), problems);
  list("warnings", t("warnings"), warnings);
  const [state, word, age] = summary();
  // Only the word is announced: the age changes each second.
  render(byId("pill"), mark(state), h("span", word), age && h("span.soft", { "aria-hidden": "true" }, age));
}

function list(id, title, problems) {
  render(byId(id), problems.length > 0 && [h("h2", { id: `${id}-title` }, title), problems.map(problemItem(!gateway.event.is_serving))]);
}

// The state of the only meter with its age, or how many are fresh.
function summary() {
  const { is_serving: isServing, meters, counts } = gateway.event;
  if (gateway.isLost) return ["lost", t("state_lost")];
  if (!isServing) return ["stale", t("state_broken")];
  const all = gateway.meterCount();
  const states = meterStates(meters, gateway.elapsed(), false);
  if (all === 1 && meters.length) {
    const [{ state, age }] = states;
    const shown = meters[0].is_simulated && state === "fresh" ? "simulated" : state;
    return [shown, t(`state_${shown}`), age !== null && ageWords(age)];
  }
  // An event of one meter among many counts the others too.
  const of = (name) => (meters.length === all ? states.filter(({ state }) => state === name).length : counts[name]);
  const worst = ["stale", "never", "late"].find(of) ?? "fresh";
  return [worst, t("state_some", { fresh: number(of("fresh") + of("late")), all: number(all) })];
}

// The names of the views; a fleet is there from two meters on, and is the first of many.
function names() {
  const count = gateway.event ? gateway.meterCount() : 1;
  const others = VIEWS.filter((name) => name !== "fleet");
  return count < 2 ? others : count > FEW_METERS ? ["fleet", ...others] : VIEWS;
}

// The view of the address, by default the first one; while nothing is served, what that means.
function wantedView() {
  const asked = location.hash.slice(1).split("/")[0];
  const name = VIEWS.includes(asked) ? asked : names()[0];
  return gateway.event?.is_serving === false && NEEDS_METERS.includes(name) ? "broken" : name;
}

async function choose() {
  const name = wantedView();
  viewName = name;
  // This reads an address that somebody typed without encoding too.
  gateway.meterName = new URLSearchParams(`meter=${location.hash.split("/")[1] ?? ""}`).get("meter") || gateway.meterName;
  document.title = `${t(name)} · DSMR Modbus gateway`;
  showFrame();
  const { create } = await import(`./${name}.js`).catch(() => ({}));
  if (viewName !== name) return;
  if (!create) { // the next event chooses again
    viewName = main.dataset.view;
    if (!events) listen();
    return showFrame();
  }
  view?.close?.();
  isReady = false;
  view = create(gateway, refresh);
  render(main, h("h1.vh", t(name)), view.element);
  main.dataset.view = name;
  listen();
}

// A phone has the most used views in a bar at the bottom, and the others behind a button.
function tabs() {
  const all = names();
  if (!phone.matches) return all.map(tab);
  const first = new Set([all[0], ...ON_PHONE]);
  return [[...first].map(tab), h("button", { popovertarget: "more" }, icon("more"), t("more")),
    h("div", { id: "more", popover: "auto", onclick: ({ currentTarget }) => currentTarget.hidePopover() },
      all.filter((name) => !first.has(name)).map(tab))];
}

function tab(name) {
  return h("a", { id: `tab-${name}`, key: name, href: `#${name}`, "aria-current": name === viewName ? "page" : null }, icon(name), t(name),
    name === "clients" && gateway.event?.has_advice && mark("warning", t("state_advice")));
}

function icon(name) {
  return s("svg.icon-view", { viewBox: "0 0 24 24" }, s("use", { href: `#icon-${name}` }));
}

// One stream at a time, with what the view wants. A hidden page has none.
function listen() {
  events?.close();
  clearTimeout(watchdog);
  if (document.hidden) return;
  events = new EventSource(`events?${new URLSearchParams(view?.stream ?? {})}`);
  events.onmessage = (event) => {
    watch(lose, SILENCE_MS);
    receive(event);
  };
  events.onerror = lose;
  watch(lose, SILENCE_MS);
}

function lose() {
  events.close();
  setLost(true);
  watch(listen, RETRY_MS);
}

function watch(then, afterMs) {
  clearTimeout(watchdog);
  watchdog = setTimeout(then, afterMs);
}

// A page that was hidden, asleep or kept by the browser shows old values until the first event.
function wake() {
  if (!document.hidden) setLost(true);
  listen();
}

async function showInLanguage(wanted) {
  await setLanguage(wanted);
  skip.textContent = t("skip");
  byId("tabs").ariaLabel = t("views");
  const [lang, name] = wanted === "nl" ? ["en", "EN: English"] : ["nl", "NL: Nederlands"];
  const onclick = () => {
    localStorage.setItem("language", lang);
    showInLanguage(lang);
  };
  Object.assign(byId("language"), { onclick, lang, textContent: name.slice(0, 2), ariaLabel: name });
  setTheme(localStorage.getItem("theme") ?? "auto");
  await choose();
}

function setTheme(theme) {
  const title = `${t("theme")}: ${t(`theme_${theme}`)}`;
  const onclick = () => {
    localStorage.setItem("theme", NEXT_THEME[theme]);
    setTheme(NEXT_THEME[theme]);
  };
  document.documentElement.style.colorScheme = theme === "auto" ? "" : theme;
  Object.assign(byId("theme"), { onclick, title, ariaLabel: title });
}

let lastBeat = Date.now();
let beats = 0;
setInterval(() => {
  const pause = Date.now() - lastBeat;
  lastBeat = Date.now();
  if (document.hidden) return;
  if (pause > ASLEEP_MS) wake();
  if (isReady) view.beat?.();
  if (++beats % BEATS_PER_TICK || !gateway.event) return;
  main.classList.toggle("lost", isRefreshing && performance.now() - Math.max(askedAt, gateway.receivedAt) > SLOW_MS);
  showFrame();
  if (isReady) view.tick?.();
}, BEAT_MS);

skip.onclick = () => {
  main.focus();
  return false; // the address stays
};
addEventListener("hashchange", () => {
  scrollTo(0, 0);
  choose();
});
addEventListener("visibilitychange", wake);
addEventListener("resize", () => {
  showFrame();
  if (isReady) view?.resize?.();
});

await showInLanguage(preferredLanguage());
