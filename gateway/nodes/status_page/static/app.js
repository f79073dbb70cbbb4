// Listens to the gateway and keeps the chosen view up to date.

import { h, setText } from "./dom.js";
import { moment, number, preferredLanguage, speak, t } from "./words.js";
import * as flow from "./flow.js";
import * as registers from "./registers.js";
import * as telegram from "./telegram.js";
import * as clients from "./clients.js";
import * as connect from "./connect.js";
import * as charts from "./charts.js";

const VIEWS = { flow, registers, telegram, clients, connect, charts };
const SILENCE_MS = 40_000; // the gateway says something each 15 s
const RETRY_MS = 3_000;

const gateway = { status: null, heardAt: 0, isLost: false, showsIdentifiers: false };
let view = null;
let isRefreshing = false;

// Seconds since the newest word from the gateway, to let ages grow.
gateway.elapsed = () => (performance.now() - gateway.heardAt) / 1000;

gateway.get = async (path, parameters = {}) => {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
};

function hear(event) {
  gateway.status = JSON.parse(event.data);
  gateway.heardAt = performance.now();
  setLost(false);
  showFaults();
  showSummary();
  view?.update();
  refresh();
}

async function refresh() {
  // One question at a time: a slow network gets the newest, not a queue.
  if (isRefreshing || !view?.refresh || !gateway.status?.is_serving) return;
  isRefreshing = true;
  try {
    await view.refresh();
  } catch {
    // The stream of events says whether the gateway is lost.
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

function showFaults() {
  const { faults, is_serving: isServing } = gateway.status;
  const section = document.getElementById("faults");
  section.hidden = faults.length === 0;
  setText(section.querySelector("h2"), t(isServing ? "faults" : "faults_none"));
  section.querySelector("ul").replaceChildren(...faults.map((fault) => h("li", {}, fault)));
}

function showSummary() {
  const { meters } = gateway.status;
  // A screen reader says what changes here, so that no number stands in it.
  setText(document.getElementById("summary"), meters.map(({ name: meter, age_s: ageS, is_fresh: isFresh }) => {
    if (ageS === null) return t("summary_none", { meter });
    return isFresh ? t("summary_fresh", { meter }) : t("summary_silent", { meter, since: moment(gateway.status.at - ageS) });
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
    hear(event);
  };
  events.onerror = restart;
  watch();
}

async function speakAndShow(language) {
  await speak(language);
  makeTabs();
  choose(location.hash.slice(1));
  if (gateway.status) { showFaults(); showSummary(); }
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
  speakAndShow(language.value);
};

await speakAndShow(language.value);
addEventListener("hashchange", () => choose(location.hash.slice(1)));
setInterval(() => { if (gateway.status) view?.tick?.(); }, 1000);
listen();
