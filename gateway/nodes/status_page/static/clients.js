// The clients by host: the change that a wrong one needs, what each reads and gets, and the newest requests.

import { card, checkbox, copyButton, h, make, render, table } from "./dom.js";
import { clientMark } from "./marks.js";
import { ageWords, clock, insteadOfValues, inWords, labelText, number, t } from "./texts.js";

const REQUESTS_SHOWN = 60;
const HOST_COLUMNS = [
  ["hosts_host", null, (host) => h("span.host", clientMark(host.state), h("b", nameOf(host)), h("span.soft.small", detailOf(host)))],
  ["hosts_reads", null, (host) => (host.kind === "passthrough" ? t("hosts_telegrams") : host.reads || asked(host))],
  ["hosts_got", null, (host) => (host.kind === "passthrough" ? host.meter : gotten(host))],
  ["unit", "num", ({ unit_id: unit }) => unit ?? "—"],
  ["rate", "num", ({ requests_per_s: rate }) => number(rate, 1)],
  ["responses", "num", ({ answers }) => number(answers)],
  ["hosts_mistakes", "num", ({ mistakes }) => h("span", { class: mistakes ? "bad" : "soft" }, number(mistakes))],
  ["hosts_connections", null, ({ transport, connections: n }) => ({ udp: "UDP", serial: "RTU" })[transport] ?? t("hosts_open", { n })],
  ["last", "num soft", ({ last_at: at, now }) => (at === null ? "—" : ageWords(Math.max(0, now - at)))],
];
const REQUEST_COLUMNS = [
  ["time", "soft nowrap", ({ at }) => clock(at)],
  ["hosts_host", null, (request) => h("b", nameOf(request))],
  ["request", null, (request) => h("span.mono", requested(request))],
  ["response", null, (request) => [h("span", gotten(request)), request.advice && request.exception !== 11 && advised(request.advice)]],
];

export function create(gateway, refresh) {
  let isPaused = false;
  const element = make(h("div"));
  let found = null;

  function show() {
    const { hosts: { hosts, more_hosts: more, advices, at, requests_per_s: rate }, requests, receivedAt } = found;
    const now = at + (performance.now() - receivedAt) / 1000;
    const named = requests.slice(0, REQUESTS_SHOWN).map((request) => ({ name: hosts.find(({ host }) => host === request.host)?.name, ...request }));
    render(element, h("div.bar", h("p.soft", `${t("hosts_count", { n: hosts.length + more })} · ${t("hosts_rate", { n: number(rate, 1) })}`)),
      h("div", { "aria-live": "polite" }, advices.map(adviceCard)),
      !hosts.length && card("", t("hosts_none"), null, h("p.soft", t("hosts_none_why"), " ", h("a", { href: "#connect" }, t("connect")))),
      hosts.length + requests.length > 0 && [
        card(".table-card.clients-hosts", t("hosts_title"), t("hosts_once"), table(t("hosts_title"), HOST_COLUMNS, hosts.map((host) => ({ ...host, now })), { body: "live" }),
          more > 0 && h("p.none.soft", t("hosts_more", { n: more }))),
        card(".table-card.clients-requests", t("requests_caption"), checkbox(t("pause"), isPaused, (isOn) => { isPaused = isOn; }),
          table(t("requests_caption"), REQUEST_COLUMNS, named))]);
  }

  return {
    element,
    stream: { view: "fleet" },
    update() {},
    tick: refresh,
    async refresh() {
      const [hosts, { requests }] = await Promise.all([gateway.get("api/hosts"), gateway.get("api/requests")]);
      found = { hosts, requests: isPaused ? found.requests : requests, receivedAt: performance.now() };
      show();
    },
  };
}

function requested({ function_code: code, unit_id: unit, ...request }) {
  const what = `FC${String(code).padStart(2, "0")} ${t("hosts_unit", { unit })}`;
  return request.address === null ? what : `${what}, ${asked(request)}`;
}

function advised({ is_mistake: isMistake, change, reason }) {
  return h("span.block", { class: isMistake ? "warn" : "soft" }, `${labelText(change)} ${labelText(reason)}`);
}

// The same as in a row, each with its name.
export function hostFacts(host, now) {
  return HOST_COLUMNS.map(([name, , content]) => [t(name), content({ ...host, now })]);
}

// A host is called by the client that it probably is; many clients read the gateway's own maps.
export function nameOf(host) {
  return host.name || host.host;
}

function detailOf(host) {
  return [host.name ? host.host : host.map ?? host.server, host.role].filter(Boolean).join(" · ");
}

function asked({ address, count }) {
  return address !== null ? t("hosts_asked", { address, n: count }) : "—";
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

function adviceCard(each) {
  const { change, reason, instead } = each.advice;
  return h("section.advice", clientMark("mistake"), h("div", h("p", h("b", `${nameOf(each)}: ${labelText(change)}`)), h("p.soft", `${labelText(reason)} ${t("hosts_times", { n: each.times })}`)),
    instead !== null && copyButton(() => String(instead), t("hosts_copy", { value: instead }), { class: "btn main" }));
}
