// The clients by host: the change that a wrong one needs, what each reads and gets, and the newest requests.

import { copyButton, h, setText } from "./dom.js";
import { mark } from "./marks.js";
import { ageWords, bitWords, clock, exceptionText, fixed, moment, number, t } from "./texts.js";

const REQUESTS_SHOWN = 60;
export const CLIENT_MARKS = { ok: "fresh", mistake: "warning", stale: "stale", idle: "idle" };
const WITH_VALUE = ["unit id", "one off", "manual number", "other unit", "other function", "function"];

export function create(gateway) {
  const state = { mistakesOnly: false, isPaused: false };
  let hosts = null;
  let requests = null;
  const summary = h("p", { class: "soft" });
  const advices = h("div", { "aria-live": "polite" });
  const hostRows = h("tbody", {});
  const requestRows = h("tbody", {});
  const empty = h("section", { class: "card", hidden: true }, h("h2", {}, t("hosts_none")), h("p", { class: "soft" }, t("hosts_none_why"), " ", h("a", { href: "#connect" }, t("connect"))));
  const chip = (text, key) => {
    const button = h("button", { class: "chip", "aria-pressed": "false", onclick: () => { state[key] = !state[key]; button.setAttribute("aria-pressed", state[key]); show(); } }, text);
    return button;
  };
  const tables = h("div", {},
    card("hosts", "hosts_title", ["hosts_host", "hosts_reads", "hosts_got", "unit", "rate", "responses", "hosts_mistakes", "hosts_connections", "last"], hostRows, h("span", { class: "grow soft small" }, t("hosts_once"))),
    card("requests", "requests_caption", ["time", "hosts_host", "request", "response"], requestRows, chip(t("mistakes_only"), "mistakesOnly"), chip(t("pause"), "isPaused")));
  const element = h("div", {}, h("div", { class: "bar" }, h("h1", {}, t("clients")), summary), advices, empty, tables);
  let shownAdvices = "";

  function show() {
    if (!hosts || !requests) return;
    const wrong = new Set(hosts.advices.map((each) => each.host)).size;
    setText(summary, [t(hosts.hosts.length === 1 ? "hosts_count_one" : "hosts_count", { n: number(hosts.hosts.length + hosts.more_hosts) }), t("hosts_rate", { n: fixed(hosts.requests_per_s, 1) }),
      ...(wrong ? [t(wrong === 1 ? "hosts_wrong_one" : "hosts_wrong", { n: number(wrong) })] : [])].join(" · "));
    const key = JSON.stringify(hosts.advices.map(({ last_at: _, ...advice }) => advice));
    if (key !== shownAdvices) {
      shownAdvices = key;
      advices.replaceChildren(...hosts.advices.map(adviceCard));
    }
    empty.hidden = hosts.hosts.length > 0;
    tables.hidden = !empty.hidden && !requests.requests.length;
    hostRows.replaceChildren(...hosts.hosts.map(hostRow));
    if (hosts.more_hosts) hostRows.append(h("tr", {}, h("td", { colspan: 9, class: "soft" }, t("hosts_more", { n: number(hosts.more_hosts) }))));
    requestRows.replaceChildren(...requests.requests.filter((each) => each.advice || !state.mistakesOnly).slice(0, REQUESTS_SHOWN).map(requestRow));
  }

  function hostRow(host) {
    const since = host.last_at === null ? null : Math.max(0, hosts.at + (performance.now() - hosts.receivedAt) / 1000 - host.last_at);
    const isReader = host.kind === "passthrough";
    return row([
      ["", h("span", { class: "host" }, mark(CLIENT_MARKS[host.state], t(`hosts_state_${host.state}`)), h("b", {}, nameOf(host)), h("span", { class: "soft small" }, detailOf(host)))],
      ["hosts_reads", isReader ? t("hosts_telegrams") : host.reads || asked(host)],
      ["hosts_got", isReader ? host.meter ?? "—" : gotten(host)],
      ["unit", isReader ? "—" : host.unit_id ?? "—", "num"],
      ["rate", host.requests_per_s === null ? "—" : fixed(host.requests_per_s, 1), "num"],
      ["responses", isReader ? "—" : number(host.answers), "num"],
      ["hosts_mistakes", isReader ? "—" : number(host.mistakes), `num ${host.mistakes ? "bad" : "soft"}`],
      ["hosts_connections", host.transport === "udp" ? "UDP" : host.transport === "serial" ? "RTU" : t(host.connections === 1 ? "hosts_open_one" : "hosts_open", { n: number(host.connections) }), "small"],
      ["last", since === null ? "—" : ageWords(since), "num soft"],
    ], { "data-host": host.host });
  }

  function requestRow(request) {
    const host = hosts.hosts.find((each) => each.host === request.host);
    return row([
      ["time", clock(request.at), "soft nowrap"],
      ["hosts_host", h("b", {}, host ? nameOf(host) : request.host)],
      ["request", h("span", { class: "mono" }, `FC${String(request.function_code).padStart(2, "0")} ${t("hosts_unit", { unit: request.unit_id })}${request.address === null ? "" : `, ${asked(request)}`}`)],
      ["response", h("span", {}, gotten(request), request.advice && request.exception !== 11 ? h("span", { class: isMistake(request) ? "warn block" : "soft block" }, adviceTexts(request).join(" ")) : null)],
    ], request.advice ? { "data-mistake": request.advice.mistake } : {});
  }

  return {
    element,
    stream: { view: "fleet" },
    update() {},
    tick() { this.refresh().catch(() => {}); },
    async refresh() {
      if (state.isPaused || gateway.isLost || gateway.event?.is_serving === false) return;
      [hosts, requests] = await Promise.all([gateway.get("api/hosts"), gateway.get("api/requests")]);
      hosts.receivedAt = performance.now();
      show();
    },
  };
}

function card(kind, title, columns, body, ...tools) {
  return h("section", { class: `card table-card clients-${kind}` }, h("div", { class: "hd" }, h("h2", {}, t(title)), ...tools),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t(title) },
      h("table", {}, h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col", class: ["unit", "rate", "responses", "hosts_mistakes", "last"].includes(name) ? "num" : null }, t(name))))), body)));
}

function row(cells, properties) {
  return h("tr", properties, cells.map(([name, content, kind]) => h("td", { class: kind || null, "data-name": name ? t(name) : null }, content instanceof Node ? content : String(content))));
}

function isMistake({ advice }) {
  return advice && !["absent value", "silent meter"].includes(advice.mistake);
}

// A host is called by the client that it probably is; many clients read the gateway's own maps.
export function nameOf(host) {
  return host.name || host.host;
}

function detailOf(host) {
  return [host.name ? host.host : host.map ?? host.server, host.role].filter(Boolean).join(" · ");
}

function asked({ address, count }) {
  if (address === null || address === undefined) return "—";
  return t(count === 1 ? "hosts_asked_one" : "hosts_asked", { address, count });
}

// What a client got: decoded values, an exception, or nothing.
function gotten({ is_answered: isAnswered, exception, values, more_values: more, words }) {
  if (!isAnswered) return h("span", { class: "exc" }, t("no_response"));
  if (exception !== null) return h("span", { class: "exc" }, `${exceptionText(exception)}${exception in EXCEPTIONS ? `: ${t(EXCEPTIONS[exception])}` : ""}`);
  const shown = values.map(valueWords);
  if (!shown.length) return h("span", { class: "mono soft" }, words || "—");
  if (more) shown.push(t("hosts_more_values", { n: number(more) }));
  return shown.join(", ");
}

const EXCEPTIONS = { 1: "exception_function", 2: "exception_address", 3: "exception_value", 4: "exception_absent", 6: "exception_busy", 10: "exception_unit", 11: "exception_stale" };

// A value in words: the bits that are set, a time of day, or a number with its unit.
export function valueWords({ name, value, unit, bits, unix_time: time }) {
  if (value === null) return `${name} —`;
  if (time !== null) return `${name} ${moment(time)}`;
  if (bits.length) return `${name} ${bitWords(bits)}`;
  return `${name} ${value}${unit ? ` ${unit}` : ""}`;
}

// The sentence with the change, and the one with the reason.
function adviceTexts({ unit_id: unit, function_code: functionCode, address, count, advice }) {
  const kind = `advice_${advice.mistake.replace(/ /g, "_")}`;
  const values = { unit, function: functionCode, address, count, instead: advice.instead, register: advice.register ?? "" };
  const isOpen = advice.instead === null && ["unit id", "function"].includes(advice.mistake);
  return [t(isOpen ? `${kind}_open` : kind, values), t(`${kind}_reason`, values)];
}

function adviceCard(each) {
  const [change, reason] = adviceTexts(each);
  const { instead, mistake } = each.advice;
  const hasValue = instead !== null && WITH_VALUE.includes(mistake);
  const button = hasValue ? copyButton(() => String(instead), t("hosts_copy", { value: instead }), { class: "btn main" }) : null;
  const got = each.exception === null ? t("hosts_times", { n: number(each.times) }) : t("hosts_times_exception", { n: number(each.times), exception: exceptionText(each.exception) });
  return h("section", { class: "advice" }, mark("warning", t("hosts_state_mistake")),
    h("div", {}, h("p", {}, h("b", {}, `${nameOf(each)}: ${change}`)), h("p", { class: "soft" }, `${reason} ${got}`)), button);
}
