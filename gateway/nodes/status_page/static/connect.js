// What to configure for a client, then the settings to enter in it, and files that contain them.

import * as chooser from "./chooser.js";
import { copyButton, h } from "./dom.js";
import { t, whenStale } from "./texts.js";

export function create(gateway) {
  const choice = chooser.create(gateway);
  const cards = h("div", {});
  const element = h("div", {}, choice.element, cards);
  let drawn = "";

  function update() {
    const { servers } = gateway.status;
    const shape = JSON.stringify(servers.map((server) => [server, null]), (key, value) => (key === "is_fresh" ? undefined : value));
    if (shape === drawn) return;
    drawn = shape;
    cards.replaceChildren(...(servers.length ? servers.map(card) : [h("p", {}, t("no_servers"))]));
  }

  return { element, update, refresh: choice.refresh };
}

function card(server, index) {
  // The gateway is reachable at the address at which this page was opened.
  const host = server.host || location.hostname.replace(/^\[|\]$/g, "");
  const where = server.device ? [["device", server.device]] : [["host", host], ["port", String(server.port)]];
  return h("section", { class: "card" }, h("h2", {}, server.name),
    facts([["transport", server.transport], ...where, ...(server.has_tls ? [["tls", t("tls_value")]] : [])]),
    h("div", { class: "units" }, server.units.map((unit) => unitCard(server, index, unit, host))));
}

function unitCard(server, index, unit, host) {
  const parameters = { server: index, unit: unit.unit_id };
  const file = (path, more, text) => h("li", {}, h("a", { href: `${path}?${new URLSearchParams({ ...parameters, ...more })}`, download: "" }, text));
  return h("section", { class: "card" }, h("h2", {}, `${unit.unit_id}: ${unit.title}`),
    facts([
      ["unit_id", String(unit.unit_id)], ["map", unit.map], ["meter", unit.meter], ["function_codes", unit.function_codes.join(", ")], ["word_order", t(unit.word_order)],
      ...(unit.shows_test_pattern ? [] : [["when_offline", whenStale(unit.on_stale)]]),
      ...(unit.first_register ? [["first", t("first_value", { register: unit.first_register, address: unit.first_address })]] : []),
    ]),
    h("details", {}, h("summary", {}, t("downloads")), h("ul", {},
      file("download/map", {}, t("map_csv")),
      Object.entries(server.exports).map(([format, program]) => file("download/export", { format, host }, t("for_program", { program }))))));
}

function facts(pairs) {
  return h("dl", {}, pairs.flatMap(([name, value]) => {
    const button = ["host", "port", "unit_id", "device"].includes(name)
      ? copyButton(() => value, t("copy"), { "aria-label": `${t("copy")}: ${t(name)}` }) : null;
    return [h("dt", {}, t(name)), h("dd", {}, h("span", { class: "mono" }, value), " ", button)];
  }));
}
