// The frame of the page: it receives the gateway's events, shows the chosen view, and says when it has lost the gateway.

import { h, setText } from "./dom.js";
import { icon } from "./drawing.js";
import { mark, meterState, pill } from "./marks.js";
import { ageWords, language, moment, number, preferredLanguage, problemText, setLanguage, t } from "./texts.js";

// The views in the order of their tabs. A module is loaded when its view is first opened.
const VIEWS = {
  now: () => import("./now.js"),
  flow: () => import("./flow.js"),
  fleet: () => import("./fleet.js"),
  charts: () => import("./charts.js"),
  registers: () => import("./registers.js"),
  telegram: () => import("./telegram.js"),
  clients: () => import("./clients.js"),
  connect: () => import("./connect.js"),
};
const HIDDEN = { broken: () => import("./broken.js") };
const REPLACED_WHILE_BROKEN = ["now", "flow", "fleet", "charts"];
const FEW_METERS = 3;
const SILENCE_MS = 40_000; // the gateway sends an event at least every 15 s
const RETRY_MS = 3_000;
const BEAT_MS = 250;
const ASLEEP_MS = 8_000; // longer between two beats: the machine slept, and the values are old
const THEMES = ["auto", "dark", "light"];

const phone = matchMedia("(max-width: 760px)");
const gateway = { status: null, event: null, path: [], receivedAt: 0, isLost: false, showsIdentifiers: false };
const summary = pill(document.getElementById("pill"));
const main = document.getElementById("view");
let view = null;
let viewName = "";
let events = null;
let watchdog = null;
let isRefreshing = false;
let isOutdated = false;
let isReady = false; // the newest event is one of the stream of the view
let drawnTabs = "";

// Seconds since the newest event, so that the ages on the page keep growing.
gateway.elapsed = () => (performance.now() - gateway.receivedAt) / 1000;

// The present time of the gateway in unix seconds, the state of a meter at that time, and the number of meters.
gateway.now = () => gateway.event.at + gateway.elapsed();
gateway.stateOf = (meter) => meterState(meter, gateway.elapsed(), gateway.isLost);
gateway.meterCount = () => Object.values(gateway.event.counts).reduce((sum, count) => sum + count);

gateway.get = async (path, parameters = {}) => {
  const response = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
};

gateway.restream = listen;

function receive(event) {
  gateway.event = JSON.parse(event.data);
  if (gateway.event.nodes) gateway.status = gateway.event;
  gateway.receivedAt = performance.now();
  isReady = true;
  setLost(false);
  showProblems();
  if (wantedView() !== viewName) {
    choose();
    return;
  }
  showFrame();
  view?.update();
  refresh();
}

async function refresh() {
  if (!isReady || !view?.refresh || !gateway.event.is_serving) return;
  // One request at a time: on a slow network, requests would queue up. What is chosen meanwhile needs another one; while
  // the meter is offline, no event would bring it.
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

// Only what lasts is announced: a page that was hidden gets an event at once when it is shown again.
function showBanner() {
  const banner = document.getElementById("banner");
  const isShown = gateway.isLost && gateway.elapsed() > 2;
  banner.hidden = !isShown;
  if (!isShown || banner.firstChild) {
    if (!isShown) banner.replaceChildren();
    return;
  }
  banner.replaceChildren(mark("stale"), h("span", {}, t("lost")));
}

function showProblems() {
  const { problems, warnings, is_serving: isServing } = gateway.event;
  setText(document.getElementById("problems-title"), t(isServing ? "problems" : "problems_none_served"));
  listProblems("problems", problems);
  listProblems("warnings", warnings);
  showReload();
}

function listProblems(id, problems) {
  const section = document.getElementById(id);
  const key = JSON.stringify([language, problems, viewName === "broken"]);
  if (section.dataset.shown === key) return;
  section.dataset.shown = key;
  section.hidden = problems.length === 0 || (id === "problems" && viewName === "broken");
  section.querySelector("ul").replaceChildren(...problems.map((problem) => {
    const { place, translation, english } = problemText(problem);
    return h("li", {}, place, translation ?? english, translation && h("div", { lang: "en" }, english));
  }));
}

function showReload() {
  const { reload } = gateway.event;
  const footer = document.getElementById("reload");
  footer.hidden = !reload?.is_applied;
  if (footer.hidden) return;
  const changes = reload.changes.join("; ") || t("reload_nothing");
  setText(footer, t("reloaded", { at: moment(reload.at), changes }));
}

// The pill: the state of the only meter, or how many are fresh. Only its word is announced.
function showSummary() {
  const { event } = gateway;
  if (!event) return;
  if (gateway.isLost) {
    summary.show("lost", t("state_lost"));
    return;
  }
  if (!event.is_serving) {
    summary.show("stale", t("state_broken"));
    return;
  }
  const { meters, counts } = event;
  const all = gateway.meterCount();
  if (all === 1 && meters.length) {
    const { state, age } = gateway.stateOf(meters[0]);
    const isSimulated = meters[0].is_simulated && state === "fresh";
    summary.show(isSimulated ? "simulated" : state, t(isSimulated ? "state_simulated" : `state_${state}`), age === null ? "" : ageWords(age));
    return;
  }
  // An event of one meter among many counts the others too.
  const states = meters.length === all ? meters.map((meter) => gateway.stateOf(meter).state) : null;
  const of = (state) => (states ? states.filter((each) => each === state).length : counts[state]);
  const good = of("fresh") + of("late");
  const worst = good < all ? (of("stale") ? "stale" : "never") : of("late") ? "late" : "fresh";
  summary.show(worst, t("state_some", { fresh: number(good), all: number(all) }));
}

function showFrame() {
  showTabs();
  showBanner();
  showSummary();
}

function names() {
  const known = Object.keys(VIEWS).filter((name) => name !== "fleet");
  const count = gateway.event ? gateway.meterCount() : 1;
  if (count < 2) return known;
  if (count > FEW_METERS) return ["fleet", ...known];
  return [...known.slice(0, 2), "fleet", ...known.slice(2)];
}

// The view of the address, by default the first one; while nothing is served, the one that says why.
function wantedView() {
  const asked = location.hash.slice(1).split("/")[0];
  const name = asked in VIEWS ? asked : names()[0];
  if (gateway.event?.is_serving === false && REPLACED_WHILE_BROKEN.includes(name)) return "broken";
  return name;
}

async function choose() {
  const name = wantedView();
  viewName = name;
  gateway.path = location.hash.slice(1).split("/").slice(1).map(decodeURIComponent);
  document.title = `${t(name)} · DSMR Modbus gateway`;
  showTabs();
  const { create } = await (VIEWS[name] ?? HIDDEN[name])();
  if (viewName !== name) return;
  view?.close?.();
  isReady = false;
  view = create(gateway, refresh);
  if (!view.element.querySelector("h1")) view.element.prepend(h("h1", { class: "vh" }, t(name)));
  main.replaceChildren(view.element);
  main.dataset.view = name;
  if (gateway.event) showProblems();
  listen();
}

function link(name) {
  return h("a", { id: `tab-${name}`, href: `#${name}`, "aria-current": name === viewName ? "page" : null }, icon(name), t(name),
    name === "clients" && gateway.event?.has_advice ? mark("warning", t("state_advice")) : null);
}

// A phone has the most used views in a bar at the bottom, and the others behind a button.
function showTabs() {
  const all = names();
  const key = JSON.stringify([all, viewName, language, phone.matches, gateway.event?.has_advice]);
  if (key === drawnTabs) return;
  drawnTabs = key;
  const tabs = document.getElementById("tabs");
  const focused = tabs.contains(document.activeElement) ? document.activeElement.id : null;
  const first = phone.matches ? [...new Set([all[0], "flow", "charts", "clients"])] : all;
  tabs.replaceChildren(...first.map(link));
  if (phone.matches) tabs.append(...moreTabs(all.filter((name) => !first.includes(name))));
  if (focused) document.getElementById(focused)?.focus();
}

function moreTabs(others) {
  const list = h("div", { class: "more", id: "more" }, others.map(link));
  const toggle = (isOpen) => {
    list.classList.toggle("open", isOpen);
    button.setAttribute("aria-expanded", isOpen);
  };
  const button = h("button", { id: "more-button", "aria-expanded": "false", "aria-controls": "more", onclick: () => toggle(!list.classList.contains("open")) },
    icon("more"), t("more"));
  list.addEventListener("click", () => toggle(false));
  list.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    toggle(false);
    button.focus();
  });
  return [button, list];
}

// One stream at a time, with what the view wants. A hidden page has none.
function listen() {
  stop();
  if (document.hidden) return;
  const query = new URLSearchParams(view?.stream ?? {}).toString();
  events = new EventSource(`events${query && `?${query}`}`);
  const own = events;
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
  events.onmessage = (event) => {
    if (own !== events) return;
    watch();
    receive(event);
  };
  events.onerror = restart;
  watch();
}

function stop() {
  clearTimeout(watchdog);
  events?.close();
  events = null;
}

// A page that was hidden, asleep or kept by the browser shows old values until the first event.
function wake() {
  if (document.hidden) {
    stop();
    return;
  }
  setLost(true);
  listen();
}

async function showInLanguage(wanted) {
  await setLanguage(wanted);
  const [other, title] = wanted === "nl" ? ["EN", "English"] : ["NL", "Nederlands"];
  const button = document.getElementById("language");
  button.setAttribute("aria-label", `${other}: ${title}`);
  button.lang = other.toLowerCase();
  setText(button, other);
  button.onclick = () => {
    localStorage.setItem("language", other.toLowerCase());
    showInLanguage(other.toLowerCase());
  };
  setTheme(localStorage.getItem("theme") ?? "auto");
  document.getElementById("banner").replaceChildren();
  if (gateway.event) showProblems();
  await choose();
  showFrame();
}

function setTheme(theme) {
  const button = document.getElementById("theme");
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  button.setAttribute("aria-label", `${t("theme")}: ${t(`theme_${theme}`)}`);
  button.title = button.getAttribute("aria-label");
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
  if (beats % (1000 / BEAT_MS)) return;
  showFrame();
  if (isReady) view?.tick?.();
}, BEAT_MS);

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", () => {
  scrollTo(0, 0);
  choose();
});
addEventListener("visibilitychange", wake);
addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
phone.addEventListener("change", showTabs);
let width = innerWidth;
new ResizeObserver(() => {
  if (innerWidth === width) return;
  width = innerWidth;
  if (isReady) view?.resize?.();
}).observe(document.documentElement);

await showInLanguage(preferredLanguage());
