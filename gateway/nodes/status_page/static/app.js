// Receives the gateway's status events and keeps the chosen view up to date.

import { h, setText } from "./dom.js";
import { moment, number, preferredLanguage, problemText, setLanguage, t } from "./texts.js";
import * as flow from "./flow.js";
import * as registers from "./registers.js";
import * as telegram from "./telegram.js";
import * as clients from "./clients.js";
import * as connect from "./connect.js";
import * as charts from "./charts.js";

const VIEWS = { flow, registers, telegram, clients, connect, charts };
const SILENCE_MS = 40_000; // the gateway sends an event at least every 15 s
const RETRY_MS = 3_000;

const gateway = { status: null, receivedAt: 0, isLost: false, showsIdentifiers: false };
let view = null;
let isRefreshing = false;
let isOutdated = false;

// Seconds since the newest event, so that the ages on the page keep growing.
gateway.elapsed = () => (performance.now() - gateway.receivedAt) / 1000;

gateway.get = async (path, parameters = {}) => {
  const response = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
};

function receive(event) {
  gateway.status = JSON.parse(event.data);
  gateway.receivedAt = performance.now();
  setLost(false);
  showProblems();
  showSummary();
  view?.update();
  refresh();
}

async function refresh() {
  if (!view?.refresh || !gateway.status?.is_serving) return;
  // One request at a time: on a slow network, requests would queue up. What is chosen meanwhile needs another one; while
  // the meter is offline, no event would bring it.
  isOutdated = true;
  if (isRefreshing) return;
  isRefreshing = true;
  try {
    while (isOutdated) {
      isOutdated = false;
      await view.refresh();
    }
  } catch {
    // The stream of events shows whether the gateway can be reached.
  } finally {
    isRefreshing = false;
  }
}

function setLost(isLost) {
  gateway.isLost = isLost;
  document.body.classList.toggle("lost", isLost);
  const banner = document.getElementById("banner");
  banner.hidden = !isLost;
  setText(banner, isLost ? t("lost") : "");
}

function showProblems() {
  const { problems, warnings, is_serving: isServing } = gateway.status;
  setText(document.getElementById("problems-title"), t(isServing ? "problems" : "problems_none_served"));
  listProblems("problems", problems);
  listProblems("warnings", warnings);
  showReload();
}

function listProblems(id, problems) {
  const section = document.getElementById(id);
  section.hidden = problems.length === 0;
  section.querySelector("ul").replaceChildren(...problems.map((problem) => {
    const { place, translation, english } = problemText(problem);
    return h("li", {}, place, translation ?? english, translation && h("div", { lang: "en" }, english));
  }));
}

function showReload() {
  const { reload } = gateway.status;
  const footer = document.getElementById("reload");
  footer.hidden = !reload?.is_applied;
  if (footer.hidden) return;
  const changes = reload.changes.join("; ") || t("reload_nothing");
  setText(footer, t("reloaded", { at: moment(reload.at), changes }));
}

function showSummary() {
  const { meters } = gateway.status;
  // A screen reader reads each change aloud, so this text contains no number that changes all the time.
  setText(document.getElementById("summary"), meters.map(({ name: meter, age_s: ageS, is_fresh: isFresh }) => {
    if (ageS === null) return t("summary_no_telegram", { meter });
    return isFresh ? t("summary_online", { meter }) : t("summary_offline", { meter, since: moment(gateway.status.at - ageS) });
  }).join(" · "));
  setText(document.getElementById("power"), meters.filter((meter) => meter.is_fresh && meter.power_net_w !== null)
    .map((meter) => `${meters.length > 1 ? `${meter.name} ` : ""}${number(meter.power_net_w)} W`).join(" · "));
}

function choose(name, focus = false) {
  const wanted = name in VIEWS ? name : "flow";
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const isChosen = tab.dataset.view === wanted;
    tab.setAttribute("aria-selected", isChosen);
    tab.tabIndex = isChosen ? 0 : -1;
    if (isChosen && focus) tab.focus();
  }
  const main = document.getElementById("view");
  main.setAttribute("aria-labelledby", `tab-${wanted}`);
  view = VIEWS[wanted].create(gateway, refresh);
  main.replaceChildren(view.element);
  if (gateway.status) view.update();
  refresh();
}

function makeTabs() {
  const names = Object.keys(VIEWS);
  const tabs = names.map((name) => h("button", {
    id: `tab-${name}`, role: "tab", type: "button", "data-view": name, "aria-controls": "view",
    onclick: () => { location.hash = name; },
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = names[(names.indexOf(name) + step + names.length) % names.length];
      history.replaceState(null, "", `#${next}`);
      choose(next, true);
    },
  }, t(name)));
  document.getElementById("tabs").replaceChildren(...tabs);
}

function listen() {
  const events = new EventSource("events");
  let watchdog = null;
  const restart = () => {
    clearTimeout(watchdog);
    events.close();
    setLost(true);
    setTimeout(listen, RETRY_MS);
  };
  const watch = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(restart, SILENCE_MS);
  };
  events.onmessage = (event) => {
    watch();
    receive(event);
  };
  events.onerror = restart;
  watch();
}

async function showInLanguage(language) {
  await setLanguage(language);
  makeTabs();
  choose(location.hash.slice(1));
  if (gateway.status) { showProblems(); showSummary(); }
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

const theme = document.getElementById("theme");
theme.value = localStorage.getItem("theme") ?? "auto";
setTheme(theme.value);
theme.onchange = () => {
  localStorage.setItem("theme", theme.value);
  setTheme(theme.value);
};
const language = document.getElementById("language");
language.value = preferredLanguage();
language.onchange = () => {
  localStorage.setItem("language", language.value);
  showInLanguage(language.value);
};

await showInLanguage(language.value);
addEventListener("hashchange", () => choose(location.hash.slice(1)));
setInterval(() => { if (gateway.status) view?.tick?.(); }, 1000);
listen();
