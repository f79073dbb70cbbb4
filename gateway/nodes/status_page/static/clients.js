// The clients, their newest requests, and advice about likely mistakes.

import { checkbox, h, setText } from "./dom.js";
import { age, clock, exceptionText, number, t } from "./texts.js";

const CLIENT_COLUMNS = ["client", "server", "unit", "function", "rate", "responses", "errors", "last"];
const REQUEST_COLUMNS = ["time", "client", "unit", "function", "request", "response"];
const OPTIONAL = new Set(["server", "function", "responses"]);

export function create(gateway) {
  const state = { mistakesOnly: false, isPaused: false };
  let data = null;
  const clients = h("tbody", {});
  const requests = h("tbody", {});
  const nobody = h("p", { class: "quiet" });
  const controls = h("div", { class: "controls" },
    checkbox(t("mistakes_only"), false, (isOn) => { state.mistakesOnly = isOn; if (data) show(); }),
    checkbox(t("pause"), false, (isOn) => { state.isPaused = isOn; }));
  const element = h("div", {},
    h("section", { class: "card scroll", tabindex: 0, "aria-label": t("clients_caption") }, table("clients_caption", CLIENT_COLUMNS, clients), nobody),
    controls,
    h("section", { class: "card scroll", tabindex: 0, "aria-label": t("requests_caption") }, table("requests_caption", REQUEST_COLUMNS, requests)));

  function show() {
    setText(nobody, data.clients.length ? "" : t("no_clients"));
    clients.replaceChildren(...data.clients.toSorted((a, b) => b.is_connected - a.is_connected || (b.last_at ?? 0) - (a.last_at ?? 0)).map(clientRow));
    requests.replaceChildren(...data.requests.filter((each) => each.advice || !state.mistakesOnly).map(requestRow));
  }

  function clientRow(client) {
    return cells(CLIENT_COLUMNS, [
      `${client.client} (${t(client.is_connected ? "connected" : "gone")})${client.role ? ` ${t("role")}: ${client.role}` : ""}`,
      client.server, client.unit_id ?? "—", client.function_code ?? "—",
      client.requests_per_s === null ? "—" : number(client.requests_per_s, 1), number(client.answers),
      h("span", { class: client.errors ? "bad" : null }, String(client.errors)),
      client.last_at === null ? "—" : age(Math.max(0, gateway.status.at + gateway.elapsed() - client.last_at)),
    ]);
  }

  return {
    element,
    update() {},
    tick() { if (!state.isPaused) this.refresh().catch(() => {}); },
    async refresh() {
      if (state.isPaused || gateway.isLost) return;
      data = await gateway.get("api/requests");
      show();
    },
  };
}

function table(caption, columns, body) {
  return h("table", { class: caption }, h("caption", {}, t(caption)), h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col", class: optional(name) }, t(name))))), body);
}

// On a phone, these columns would push more important ones out of sight.
function optional(name) {
  return OPTIONAL.has(name) ? "optional" : null;
}

function cells(columns, contents) {
  return h("tr", {}, contents.map((content, index) => h("td", { class: optional(columns[index]), "data-name": t(columns[index]) }, content instanceof Node ? content : String(content))));
}

function requestRow(request) {
  const read = request.address === null ? "—"
    : t(request.count === 1 ? "read_one" : "read", { address: request.address, number: manualNumber(request), count: request.count });
  const response = !request.is_answered ? t("no_response")
    : request.exception === null ? request.words : exceptionText(request.exception);
  const advice = request.advice && request.advice.mistake !== "silent meter" ? "advice" : "quiet";
  const row = cells(REQUEST_COLUMNS, [clock(request.at), request.client, request.unit_id, request.function_code, read,
    h("span", {}, h("span", { class: "mono" }, response), request.advice ? h("div", { class: advice }, advise(request)) : null)]);
  if (request.advice) row.dataset.mistake = request.advice.mistake;
  return row;
}

function manualNumber({ address, function_code: functionCode }) {
  const base = functionCode === 4 ? 3 : 4;
  return address < 9999 ? base * 10_000 + address + 1 : base * 100_000 + address + 1;
}

function advise({ unit_id: unit, function_code: functionCode, address, count, advice }) {
  const kind = `advice_${advice.mistake.replace(/ /g, "_")}`;
  const values = { unit, function: functionCode, address, count, instead: advice.instead, register: advice.register ?? "" };
  const isOpen = advice.instead === null && ["unit id", "function"].includes(advice.mistake);
  return `${t(isOpen ? `${kind}_open` : kind, values)} ${t(`${kind}_reason`, values)}`;
}
