// The frame of the page: it receives the gateway's events, shows the chosen view, and says when it has lost the gateway.

import { h, render, s } from "./dom.js";
import { mark, meterState } from "./marks.js";
import { ageWords, moment, number, preferredLanguage, problemText, setLanguage, t } from "./texts.js";

const VIEWS = ["now", "flow", "fleet", "charts", "registers", "telegram", "clients", "connect"];
const REPLACED_WHILE_BROKEN = ["now", "flow", "fleet", "charts"];
const ON_PHONE = ["flow", "charts", "clients"]; // beside the first one
const FEW_METERS = 3;
const SILENCE_MS = 40_000; // the gateway sends an event at least every 15 s
const RETRY_MS = 3_000;
const BEAT_MS = 250;
const BEATS_PER_TICK = 4;
const ASLEEP_MS = 8_000; // longer between two beats: the machine slept, and the values are old
const BANNER_AFTER_S = 2; // a page that was hidden gets an event at once when it is shown again: only what lasts is announced
const THEMES = ["auto", "dark", "light"];

const phone = matchMedia("(max-width: 900px)");
const byId = (id) => document.getElementById(id);
const main = byId("view");
let view = null;
let viewName = "";
let events = null;
let watchdog = null;
let isRefreshing = false;
let isOutdated = false;
let isReady = false; // the newest event is one of the stream of the view
let isMoreOpen = false;

const gateway = {
  status: null, event: null, path: [], receivedAt: 0, isLost: false, showsIdentifiers: false,
  restream: listen,
  // Seconds since the newest event, so that the ages on the page keep growing, and the present time of the gateway.
  elapsed: () => (performance.now() - gateway.receivedAt) / 1000,
  now: () => gateway.event.at + gateway.elapsed(),
  stateOf: (meter) => meterState(meter, gateway.elapsed(), gateway.isLost),
  meterCount: () => Object.values(gateway.event.counts).reduce((sum, count) => sum + count),
  async get(path, parameters = {}) {
    const response = await fetch(`${path}?${new URLSearchParams(parameters)}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  },
};

function receive({ data }) {
  gateway.event = JSON.parse(data);
  if (gateway.event.nodes) gateway.status = gateway.event;
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
  try {
    while (isOutdated) {
      isOutdated = false;
      if (isReady) await view.refresh?.();
    }
  } catch {
    // The stream of events shows whether the gateway can be reached.
  } finally {
    isRefreshing = false;
  }
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
  byId("banner").hidden = !isLostLong;
  render(byId("banner"), isLostLong && [mark("stale"), h("span", t("lost"))]);
  if (!gateway.event) return;
  const { problems, warnings, reload, is_serving: isServing } = gateway.event;
  list("problems", t(isServing ? "problems" : "problems_none_served"), viewName === "broken" ? [] : problems);
  list("warnings", t("warnings"), warnings);
  byId("reload").hidden = !reload?.is_applied;
  render(byId("reload"), reload && t("reloaded", { at: moment(reload.at), changes: reload.changes.join("; ") || t("reload_nothing") }));
  const [state, word, age] = summary();
  // Only the word is announced: the age changes each second.
  render(byId("pill"), mark(state), h("span", word), age && h("span.soft", { "aria-hidden": "true" }, age));
}

function list(id, title, problems) {
  const section = byId(id);
  section.hidden = !problems.length;
  render(section, h("h2", { id: `${id}-title` }, title), h("ul", problems.map((problem) => {
    const { place, translation, english } = problemText(problem);
    return h("li", place, translation ?? english, translation && h("div", { lang: "en" }, english));
  })));
}

// The state of the only meter with its age, or how many are fresh.
function summary() {
  const { is_serving: isServing, meters, counts } = gateway.event;
  if (gateway.isLost) return ["lost", t("state_lost")];
  if (!isServing) return ["stale", t("state_broken")];
  const all = gateway.meterCount();
  const states = meters.map(gateway.stateOf);
  if (all === 1 && meters.length) {
    const [{ state, age }] = states;
    const shown = meters[0].is_simulated && state === "fresh" ? "simulated" : state;
    return [shown, t(`state_${shown}`), age !== null && ageWords(age)];
  }
  // An event of one meter among many counts the others too.
  const of = (name) => (meters.length === all ? states.filter(({ state }) => state === name).length : counts[name]);
  const good = of("fresh") + of("late");
  const worst = good < all ? (of("stale") ? "stale" : "never") : of("late") ? "late" : "fresh";
  return [worst, t("state_some", { fresh: number(good), all: number(all) })];
}

// The names of the views; a fleet is there from two meters on, and is the first of many.
function names() {
  const count = gateway.event ? gateway.meterCount() : 1;
  const others = VIEWS.filter((name) => name !== "fleet");
  return count < 2 ? others : count > FEW_METERS ? ["fleet", ...others] : VIEWS;
}

// The view of the address, by default the first one; while nothing is served, the one that says why.
function wantedView() {
  const asked = location.hash.slice(1).split("/")[0];
  const name = VIEWS.includes(asked) ? asked : names()[0];
  return gateway.event?.is_serving === false && REPLACED_WHILE_BROKEN.includes(name) ? "broken" : name;
}

async function choose() {
  const name = wantedView();
  viewName = name;
  isMoreOpen = false;
  try {
    gateway.path = location.hash.split("/").slice(1).map(decodeURIComponent);
  } catch { // an address that somebody typed
    gateway.path = [];
  }
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
  render(main, !view.element.querySelector("h1") && h("h1.vh", t(name)), view.element);
  main.dataset.view = name;
  listen();
}

// A phone has the most used views in a bar at the bottom, and the others behind a button.
function tabs() {
  const all = names();
  const first = phone.matches ? [...new Set([all[0], ...ON_PHONE])] : all;
  const toggle = (isOpen) => {
    isMoreOpen = isOpen;
    showFrame();
  };
  const escape = ({ key }) => {
    if (key !== "Escape") return;
    toggle(false);
    byId("more-button").focus();
  };
  return [first.map(tab), phone.matches && [
    h("button", { id: "more-button", "aria-expanded": isMoreOpen, "aria-controls": "more", onclick: () => toggle(!isMoreOpen) }, icon("more"),
      t("more")),
    h("div.more", { id: "more", class: isMoreOpen && "open", onclick: () => toggle(false), onkeydown: escape },
      all.filter((name) => !first.includes(name)).map(tab))]];
}

function tab(name) {
  return h("a", { id: `tab-${name}`, key: name, href: `#${name}`, "aria-current": name === viewName ? "page" : null }, icon(name), t(name),
    name === "clients" && gateway.event?.has_advice && mark("warning", t("state_advice")));
}

function icon(name) {
  return s("svg.icon-view", { viewBox: "0 0 24 24", "aria-hidden": "true" }, s("use", { href: `#icon-${name}` }));
}

// One stream at a time, with what the view wants. A hidden page has none.
function listen() {
  stop();
  if (document.hidden) return;
  const query = new URLSearchParams(view?.stream ?? {}).toString();
  const own = new EventSource(`events${query && `?${query}`}`);
  events = own;
  const restart = () => {
    if (own !== events) return;
    stop();
    setLost(true);
    watchdog = setTimeout(listen, RETRY_MS);
  };
  const watch = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(restart, SILENCE_MS);
  };
  own.onmessage = (event) => {
    if (own !== events) return;
    watch();
    receive(event);
  };
  own.onerror = restart;
  watch();
}

function stop() {
  clearTimeout(watchdog);
  events?.close();
  events = null;
}

// A page that was hidden, asleep or kept by the browser shows old values until the first event.
function wake() {
  stop();
  if (document.hidden) return;
  setLost(true);
  listen();
}

async function showInLanguage(wanted) {
  await setLanguage(wanted);
  const [other, title] = wanted === "nl" ? ["en", "English"] : ["nl", "Nederlands"];
  const button = byId("language");
  button.setAttribute("aria-label", `${other.toUpperCase()}: ${title}`);
  button.lang = other;
  button.textContent = other.toUpperCase();
  button.onclick = () => {
    localStorage.setItem("language", other);
    showInLanguage(other);
  };
  setTheme(localStorage.getItem("theme") ?? "auto");
  await choose();
}

function setTheme(theme) {
  const button = byId("theme");
  document.documentElement.dataset.theme = theme;
  button.title = `${t("theme")}: ${t(`theme_${theme}`)}`;
  button.setAttribute("aria-label", button.title);
  button.onclick = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem("theme", next);
    setTheme(next);
  };
}

let beats = 0;
let lastBeat = Date.now();
setInterval(() => {
  const before = lastBeat;
  lastBeat = Date.now();
  if (document.hidden) return;
  if (lastBeat - before > ASLEEP_MS) wake();
  if (!gateway.event) return;
  if (isReady) view?.beat?.();
  beats += 1;
  if (beats % BEATS_PER_TICK) return;
  showFrame();
  if (isReady) view?.tick?.();
}, BEAT_MS);

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("keydown", (event) => {
  const search = byId("search");
  if (event.key !== "/" || !search || event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  search.focus();
});
addEventListener("hashchange", () => {
  scrollTo(0, 0);
  choose();
});
addEventListener("visibilitychange", wake);
addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
phone.addEventListener("change", showFrame);
let width = innerWidth;
new ResizeObserver(() => {
  if (innerWidth === width) return;
  width = innerWidth;
  if (isReady) view?.resize?.();
}).observe(document.documentElement);

await showInLanguage(preferredLanguage());
