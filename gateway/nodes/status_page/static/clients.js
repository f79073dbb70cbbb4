// The clients by host: the change that a wrong one needs, what each reads and gets, and the newest requests.

import { card, chip, copyButton, h, make, render } from "./dom.js";
import { clientMark } from "./marks.js";
import { table } from "./table.js";
import { ageWords, clock, exceptionText, insteadOfValues, inWords, number, t } from "./texts.js";

const REQUESTS_SHOWN = 60;
const NO_FAULT = ["absent value", "silent meter"];
const REQUEST_COLUMNS = [["time"], ["hosts_host"], ["request"], ["response"]];
// A passthrough gets telegrams, and counts no responses.
const counted = (name) => (host) => (host.kind === "passthrough" ? "—" : number(host[name]));
const HOST_COLUMNS = [
  ["hosts_host", null, (host) => h("span.host", clientMark(host.state), h("b", nameOf(host)), h("span.soft.small", detailOf(host)))],
  ["hosts_reads", null, (host) => (host.kind === "passthrough" ? t("hosts_telegrams") : host.reads || asked(host))],
  ["hosts_got", null, (host) => (host.kind === "passthrough" ? host.meter : gotten(host))],
  ["unit", "num", ({ unit_id: unit }) => unit ?? "—"],
  ["rate", "num", ({ requests_per_s: rate }) => number(rate, 1)],
  ["responses", "num", counted("answers")],
  ["hosts_mistakes", "num", (host) => h("span", { class: host.mistakes ? "bad" : "soft" }, counted("mistakes")(host))],
  ["hosts_connections", "small", ({ transport, connections: n }) => ({ udp: "UDP", serial: "RTU" })[transport] ?? t("hosts_open", { n })],
  ["last", "num soft", ({ last_at: at }, now) => (at === null ? "—" : ageWords(Math.max(0, now - at)))],
];

export function create(gateway, refresh) {
  const state = { mistakesOnly: false, isPaused: false };
  const element = make(h("div"));
  let found = null;

  function show() {
    const { hosts: { hosts, more_hosts: more, advices, at, requests_per_s: rate }, requests, receivedAt } = found;
    const wrong = new Set(advices.map(({ host }) => host)).size;
    const counts = [t("hosts_count", { n: hosts.length + more }), t("hosts_rate", { n: number(rate, 1) }),
      wrong && t("hosts_wrong", { n: wrong })];
    const now = at + (performance.now() - receivedAt) / 1000;
    const rows = [hosts.map((host) => hostRow(host, now)), more > 0 && h("tr", h("td.soft", { colspan: HOST_COLUMNS.length }, t("hosts_more", { n: more })))];
    const newest = requests.filter(({ advice }) => advice || !state.mistakesOnly).slice(0, REQUESTS_SHOWN);
    const toggle = (key, text) => chip(t(text), state[key], () => { state[key] = !state[key]; show(); });
    render(element, h("div.bar", h("h1", t("clients")), h("p.soft", counts.filter(Boolean).join(" · "))),
      h("div", { "aria-live": "polite" }, advices.map(adviceCard)),
      !hosts.length && card("", t("hosts_none"), null, h("p.soft", t("hosts_none_why"), " ", h("a", { href: "#connect" }, t("connect")))),
      hosts.length + requests.length > 0 && [
        card(".table-card.clients-hosts", t("hosts_title"), h("span.grow.soft.small", t("hosts_once")), table(t("hosts_title"), HOST_COLUMNS, rows)),
        card(".table-card.clients-requests", t("requests_caption"), [toggle("mistakesOnly", "mistakes_only"), toggle("isPaused", "pause")],
          table(t("requests_caption"), REQUEST_COLUMNS, newest.map((request) => requestRow(request, hosts))))]);
  }

  return {
    element,
    stream: { view: "fleet" },
    update() {},
    tick: refresh,
    async refresh() {
      if (gateway.isLost || gateway.event?.is_serving === false) return;
      const [hosts, { requests }] = await Promise.all([gateway.get("api/hosts"), gateway.get("api/requests")]);
      found = { hosts, requests: state.isPaused ? found.requests : requests, receivedAt: performance.now() };
      show();
    },
  };
}

function hostRow(host, now) {
  return h("tr.live", { "data-host": host.host }, HOST_COLUMNS.map(([name, kind, content]) => h("td", { class: kind, "data-name": t(name) }, content(host, now))));
}

function requestRow(request, hosts) {
  const { advice, unit_id: unit } = request;
  const host = hosts.find((each) => each.host === request.host);
  const what = `FC${String(request.function_code).padStart(2, "0")} ${t("hosts_unit", { unit })}`;
  return h("tr", { "data-mistake": advice?.mistake }, h("td.soft.nowrap", clock(request.at)), h("td", h("b", host ? nameOf(host) : request.host)),
    h("td.mono", request.address === null ? what : `${what}, ${asked(request)}`),
    h("td", h("span", gotten(request)), advice && request.exception !== 11
      && h("span.block", { class: NO_FAULT.includes(advice.mistake) ? "soft" : "warn" }, adviceTexts(request).join(" "))));
}

// The same as in a row, each with its name.
export function hostFacts(host, now) {
  return HOST_COLUMNS.map(([name, , content]) => [t(name), content(host, now)]);
}

// A host is called by the client that it probably is; many clients read the gateway's own maps.
export function nameOf(host) {
  return host.name || host.host;
}

function detailOf(host) {
  return [host.name ? host.host : host.map ?? host.server, host.role].filter(Boolean).join(" · ");
}

function asked({ address, count }) {
  return Number.isInteger(address) ? t("hosts_asked", { address, n: count }) : "—";
}

function gotten(request) {
  const { exception, values, more_values: more, words } = request;
  const nothing = insteadOfValues(request);
  if (nothing) return h("span.bad", nothing, exception !== null && `: ${t(`exception_${exception}`)}`);
  if (!values.length) return h("span.mono.soft", words || "—");
  return [...values.map(valueWords), more > 0 && t("hosts_more_values", { n: more })].filter(Boolean).join(", ");
}

export function valueWords({ name, ...value }) {
  return `${name} ${inWords(value)}`;
}

function adviceTexts({ unit_id: unit, function_code: code, address, count, advice: { mistake, instead, register } }) {
  const kind = `advice_${mistake.replace(/ /g, "_")}`;
  const values = { unit, function: code, address, count, instead, register };
  const isOpen = instead === null && ["unit id", "function"].includes(mistake);
  return [t(isOpen ? `${kind}_open` : kind, values), t(`${kind}_reason`, values)];
}

function adviceCard(each) {
  const [change, reason] = adviceTexts(each);
  const { advice: { instead }, exception } = each;
  const times = t(exception === null ? "hosts_times" : "hosts_times_exception", { n: each.times, exception: exceptionText(exception) });
  return h("section.advice", clientMark("mistake"), h("div", h("p", h("b", `${nameOf(each)}: ${change}`)), h("p.soft", `${reason} ${times}`)),
    instead !== null && copyButton(() => String(instead), t("hosts_copy", { value: instead }), { class: "btn main" }));
}
