// The clients by host: the change that a wrong one needs, what each reads and gets, and the newest requests.

import { card, chip, copyButton, h, make, render } from "./dom.js";
import { clientMark } from "./marks.js";
import { table } from "./table.js";
import { ageWords, bitWords, clock, exceptionText, fixed, minus, moment, number, t } from "./texts.js";

const REQUESTS_SHOWN = 60;
const HOST_COLUMNS = [["hosts_host"], ["hosts_reads"], ["hosts_got"], ["unit", "num"], ["rate", "num"], ["responses", "num"],
  ["hosts_mistakes", "num"], ["hosts_connections"], ["last", "num"]];
const REQUEST_COLUMNS = [["time"], ["hosts_host"], ["request"], ["response"]];
const EXCEPTIONS = { 1: "exception_function", 2: "exception_address", 3: "exception_value", 4: "exception_absent", 6: "exception_busy",
  10: "exception_unit", 11: "exception_stale" };
const WITH_VALUE = ["unit id", "one off", "manual number", "other unit", "other function", "function"];
const NO_FAULT = ["absent value", "silent meter"];

export function create(gateway, refresh) {
  const state = { mistakesOnly: false, isPaused: false };
  const [head, advices, tables] = [h("div.bar", h("h1", t("clients"))), h("div", { "aria-live": "polite" }), h("div")].map(make);
  let found = null;

  function show() {
    if (!found) return;
    const { hosts, requests } = found;
    const all = hosts.hosts;
    const wrong = new Set(hosts.advices.map(({ host }) => host)).size;
    const counts = [
      t(all.length === 1 ? "hosts_count_one" : "hosts_count", { n: number(all.length + hosts.more_hosts) }),
      t("hosts_rate", { n: fixed(hosts.requests_per_s, 1) }),
      wrong && t(wrong === 1 ? "hosts_wrong_one" : "hosts_wrong", { n: number(wrong) }),
    ];
    render(head, h("h1", t("clients")), h("p.soft", counts.filter(Boolean).join(" · ")));
    render(advices, hosts.advices.map(adviceCard));
    const now = hosts.at + (performance.now() - found.receivedAt) / 1000;
    const more = hosts.more_hosts > 0 && h("tr", h("td.soft", { colspan: 9 }, t("hosts_more", { n: number(hosts.more_hosts) })));
    const toggle = (key, text) => chip(t(text), state[key], () => { state[key] = !state[key]; show(); });
    const newest = requests.filter(({ advice }) => advice || !state.mistakesOnly).slice(0, REQUESTS_SHOWN);
    render(tables,
      !all.length && card("", t("hosts_none"), null, h("p.soft", t("hosts_none_why"), " ", h("a", { href: "#connect" }, t("connect")))),
      all.length + requests.length > 0 && [
        card(".table-card.clients-hosts", t("hosts_title"), h("span.grow.soft.small", t("hosts_once")),
          table(t("hosts_title"), HOST_COLUMNS, [all.map((host) => hostRow(host, now)), more])),
        card(".table-card.clients-requests", t("requests_caption"), [toggle("mistakesOnly", "mistakes_only"), toggle("isPaused", "pause")],
          table(t("requests_caption"), REQUEST_COLUMNS, newest.map((request) => requestRow(request, all))))]);
  }

  return {
    element: make(h("div", head, advices, tables)),
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
  const { transport, connections } = host;
  const isReader = host.kind === "passthrough";
  const onlyRequests = (text) => (isReader ? "—" : text);
  const cells = [
    [h("span.host", clientMark(host.state), h("b", nameOf(host)), h("span.soft.small", detailOf(host)))],
    [isReader ? t("hosts_telegrams") : host.reads || asked(host)],
    [isReader ? host.meter ?? "—" : gotten(host), "live"],
    [onlyRequests(String(host.unit_id ?? "—")), "num"],
    [host.requests_per_s === null ? "—" : fixed(host.requests_per_s, 1), "num"],
    [onlyRequests(number(host.answers)), "num"],
    [onlyRequests(number(host.mistakes)), host.mistakes ? "num bad" : "num soft"],
    [{ udp: "UDP", serial: "RTU" }[transport] ?? t(connections === 1 ? "hosts_open_one" : "hosts_open", { n: number(connections) }), "small"],
    [host.last_at === null ? "—" : ageWords(Math.max(0, now - host.last_at)), "num soft"],
  ];
  const cell = ([content, kind], index) => h("td", { class: kind, "data-name": t(HOST_COLUMNS[index][0]) }, content);
  return h("tr", { "data-host": host.host }, cells.map(cell));
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

// A host is called by the client that it probably is; many clients read the gateway's own maps.
export function nameOf(host) {
  return host.name || host.host;
}

function detailOf(host) {
  return [host.name ? host.host : host.map ?? host.server, host.role].filter(Boolean).join(" · ");
}

function asked({ address, count }) {
  return Number.isInteger(address) ? t(count === 1 ? "hosts_asked_one" : "hosts_asked", { address, count }) : "—";
}

function gotten({ is_answered: isAnswered, exception, values, more_values: more, words }) {
  if (!isAnswered) return h("span.exc", t("no_response"));
  if (exception !== null) return h("span.exc", exceptionText(exception), exception in EXCEPTIONS && `: ${t(EXCEPTIONS[exception])}`);
  if (!values.length) return h("span.mono.soft", words || "—");
  return [...values.map(valueWords), ...(more ? [t("hosts_more_values", { n: number(more) })] : [])].join(", ");
}

export function valueWords({ name, value, unit, bits, unix_time: time }) {
  if (value === null) return `${name} —`;
  if (time !== null) return `${name} ${moment(time)}`;
  return `${name} ${bits.length ? bitWords(bits) : [minus(value), unit].filter(Boolean).join(" ")}`;
}

function adviceTexts({ unit_id: unit, function_code: code, address, count, advice: { mistake, instead, register } }) {
  const kind = `advice_${mistake.replace(/ /g, "_")}`;
  const values = { unit, function: code, address, count, instead, register };
  const isOpen = instead === null && ["unit id", "function"].includes(mistake);
  return [t(isOpen ? `${kind}_open` : kind, values), t(`${kind}_reason`, values)];
}

function adviceCard(each) {
  const [change, reason] = adviceTexts(each);
  const { instead, mistake } = each.advice;
  const n = number(each.times);
  const times = each.exception === null ? t("hosts_times", { n }) : t("hosts_times_exception", { n, exception: exceptionText(each.exception) });
  return h("section.advice", clientMark("mistake"),
    h("div", h("p", h("b", `${nameOf(each)}: ${change}`)), h("p.soft", `${reason} ${times}`)),
    instead !== null && WITH_VALUE.includes(mistake)
      && copyButton(() => String(instead), t("hosts_copy", { value: instead }), { class: "btn main" }));
}
