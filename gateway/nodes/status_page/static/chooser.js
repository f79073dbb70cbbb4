// "I have a …": what to select in a client that the user chooses by name, and the configuration of the gateway for it.

import { copyButton, h, select } from "./dom.js";
import { t, whenStale } from "./texts.js";

export function create(gateway) {
  const state = { client: "", way: 0 };
  let clients = null;
  const controls = h("div", { class: "controls" });
  const result = h("div", { "aria-live": "polite" });
  const element = h("section", { class: "card", hidden: true }, controls, result);

  function show() {
    const client = clients.find(({ name }) => name === state.client);
    const names = [["", t("choose_client")], ...clients.map(({ name }) => [name, name])];
    const choices = [select(t("i_have"), names, state.client, (name) => { state.client = name; state.way = 0; show(); focus(0); })];
    if (client?.ways.length > 1) {
      const ways = client.ways.map((way, index) => [String(index), `${way.select}: ${way.map}`]);
      choices.push(select(t("reads_meter"), ways, String(state.way), (way) => { state.way = Number(way); show(); focus(1); }));
    }
    controls.replaceChildren(...choices);
    result.replaceChildren(...(client ? advice(client, client.ways[state.way]) : []));
    element.hidden = false;
  }

  // The fields are made again with each choice; whoever uses the keyboard stays at theirs.
  function focus(index) {
    controls.querySelectorAll("select")[index]?.focus();
  }

  function advice(client, way) {
    if (!way) return [h("p", { lang: "en" }, t("not_possible", { why: client.why_not }))];
    const served = servedBy(way);
    return [
      h("dl", {}, [
        ["select_there", h("span", { lang: "en" }, way.select)],
        ["map", way.map], ["unit_id", String(way.unit_id)], ["transport", t(`transport_${way.transport}`)],
        ...(way.serial ? [["serial_line", lineText(way.serial)]] : []),
        ["when_offline", `on_stale: ${way.on_stale}. ${whenStale(way.on_stale)}`],
        ["tested", t(`tested_${way.tested}`)],
        ...(served ? [["already", served]] : []),
        ...(client.page ? [["documentation", `docs/clients/${client.page}`]] : []),
      ].flatMap(([name, value]) => [h("dt", {}, t(name)), h("dd", {}, value)])),
      configuration(way.configuration),
    ];
  }

  // The units that serve this map already, over the same transport.
  function servedBy(way) {
    const found = gateway.status.servers.filter(({ transport }) => transport === way.transport)
      .flatMap((server) => server.units.filter(({ map }) => map === way.map).map((unit) => t("already_value", { unit: unit.unit_id, server: server.name })));
    return found.join(", ");
  }

  return {
    element,
    async refresh() {
      if (clients) return;
      ({ clients } = await gateway.get("api/clients"));
      show();
    },
  };
}

function lineText({ baudrate, parity, stopbits }) {
  return t("serial_line_value", { baudrate, format: `8${parity}${stopbits}`, parity: t(`parity_${parity}`), stopbits: t(`stopbit_${stopbits}`) });
}

function configuration(text) {
  return h("div", { class: "configuration" }, h("h2", {}, t("configuration"), " ", copyButton(() => text)), h("p", { class: "soft" }, t("configuration_hint")),
    h("pre", { class: "scroll", tabindex: 0, "aria-label": t("configuration"), role: "region" }, text));
}
