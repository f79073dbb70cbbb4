// What to configure for a client that the visitor chooses by name, then the settings to enter in a client, and files with them.

import { copyButton, facts, h, make, render, scroller, select } from "./dom.js";
import { titleOf, t } from "./texts.js";

const COPIED = ["device", "host", "port", "unit_id"];

export function create(gateway) {
  const element = make(h("div"));
  let [name, way] = ["", 0];
  let clients = null;

  function choose(changes) {
    ({ name, way } = { name, way, ...changes });
    show();
  }

  function show() {
    const { servers } = gateway.status;
    const client = clients?.find((each) => each.name === name);
    const ways = client?.ways.map(({ select: there, map }, index) => [index, `${titleOf(there)}: ${map}`]) ?? [];
    render(element, clients && h("section.card",
      h("div.bar", select(t("i_have"), [["", t("choose_client")], ...clients.map((each) => each.name)], name,
        (chosen) => choose({ name: chosen, way: 0 })),
      ways.length > 1 && select(t("reads_meter"), ways, way, (chosen) => choose({ way: chosen }))),
      h("div", { "aria-live": "polite" }, client && advice(client, client.ways[way], servers))),
    servers.length ? servers.map(serverCard) : h("section.card", t("no_servers")));
  }

  return {
    element,
    update: show,
    async refresh() {
      if (clients) return;
      ({ clients } = await gateway.get("api/clients"));
      show();
    },
  };
}

function advice(client, way, servers) {
  if (!way) return h("p", t("not_possible", { why: titleOf(client.why_not) }));
  const { serial, transport, configuration, on_stale: onStale } = way;
  // The units that serve this map already, over the same transport.
  const already = servers.filter((server) => server.transport === transport)
    .flatMap(({ name, units }) => units.filter(({ map }) => map === way.map).map(({ unit_id: unit }) => t("already_value", { unit, server: name })));
  return [
    settings([
      ["select_there", titleOf(way.select)], ["map", way.map], ["unit_id", way.unit_id], ["transport", t(`transport_${transport}`)],
      ["serial_line", serial && t("serial_line_value", { ...serial, word: t(`parity_${serial.parity}`), stop: t(`stopbit_${serial.stopbits}`) })],
      ["when_offline", `on_stale: ${onStale}. ${t(`on_stale_${onStale}`)}`], ["tested", t(`tested_${way.tested}`)],
      ["already", already.join(", ") || null], ["documentation", client.page && `docs/clients/${client.page}`],
    ]),
    h("div.configuration", h("h2", t("configuration"), " ", copyButton(() => configuration)), h("p.soft", t("configuration_hint")), scroller("pre", t("configuration"), configuration)),
  ];
}

function serverCard(server, index) {
  // The gateway is reachable at the address at which this page was opened.
  const host = server.host || location.hostname.replace(/^\[|\]$/g, "");
  return h("section.card", h("h2", server.name),
    settings([["transport", server.transport], ["device", server.device], ["host", !server.device && host], ["port", !server.device && server.port],
      ["tls", server.has_tls && t("tls_value")]]),
    h("div.units", server.units.map((unit) => unitCard(server, index, unit, host))));
}

function unitCard(server, index, unit, host) {
  const file = (path, more, text) => h("li", h("a",
    { href: `${path}?${new URLSearchParams({ server: index, unit: unit.unit_id, ...more })}`, download: "" }, text));
  const { unit_id: id, first_register: register, first_address: address } = unit;
  return h("section.card", h("h2", `${id}: ${titleOf(unit.title)}`),
    settings([
      ["unit_id", id], ["map", unit.map], ["meter", unit.meter], ["function_codes", unit.function_codes.join(", ")],
      ["word_order", t(unit.word_order)], ["when_offline", !unit.shows_test_pattern && t(`on_stale_${unit.on_stale}`)],
      ["first", register && t("first_value", { register, address })],
    ]),
    h("details", h("summary", t("downloads")), h("ul", file("download/map", {}, t("map_csv")),
      Object.entries(server.exports).map(([format, program]) => file("download/export", { format, host }, t("for_program", { program }))))));
}

// Facts by the keys of their texts. What is typed into a client can be copied.
function settings(pairs) {
  return facts("", pairs.map(([name, value]) => [t(name), COPIED.includes(name) && (value || value === 0)
    ? [h("span.mono", value), " ", copyButton(() => `${value}`, t("copy"), { "aria-label": `${t("copy")}: ${t(name)}` })] : value]));
}
