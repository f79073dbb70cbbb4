// The flow as Node-RED draws it: nodes and wires with what passes over them, from the meters to the clients.
// A telegram, or the requests of a second, are a bead on each wire they pass. Beads are moved by `transform` alone.

import { CLIENT_MARKS, nameOf, valueWords } from "./clients.js";
import { card, facts, h, make, pressable, render, s, select } from "./dom.js";
import { picture } from "./drawing.js";
import { columnOf, keyOf, layOut, NODE } from "./layout.js";
import { mark, meterState } from "./marks.js";
import { ageWords, clock, detailName, fixed, labelText, moment, nodeLabel, number, t, valueText } from "./texts.js";

const [LETTER, SMALL_LETTER] = [8, 6.4]; // the mean width of a letter
const [BEAD_MS, HOP_MS, BEAD_EVERY_MS] = [320, 240, 900];
const [IDLE_MS, IDLE_EVERY_MS] = [300_000, 5000]; // after so long without a pointer or a key, a bead comes seldom
const QUIET_S = 1.5; // an event comes each second
const CHANGES_SHOWN = 12;
const SIGNS_OF_USE = ["pointerdown", "pointermove", "keydown"];
const TARGETS = { client: "clients", "Modbus server": "clients", "register map": "registers", "DSMR parser": "telegram", "P1 port": "telegram" };
const MARKS = { green: "fresh", yellow: "warning", red: "stale", grey: "never", blue: "simulated" };
const CHANGE_MARKS = {
  meter_first: "fresh", meter_fresh: "fresh", meter_stale: "stale", node_failed: "stale", node_works: "fresh",
  client_came: "fresh", client_mistake: "warning", reloaded: "fresh", reload_refused: "stale",
};

export function create(gateway) {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const [head, drawing, drawer, totals, log] = [h("div.bar"), h("div.flow-drawing"), h("div"), h("section.card.totals"), h("ol.log")].map(make);
  const flow = h("section.flow", { "aria-label": t("flow_label") }, drawing, drawer);
  const element = make(h("div", head, flow, totals, card("", t("flow_changes"), h("span.soft.small", t("flow_newest_first")), log)));
  const beadAt = new Map();
  let event = null;
  let layout = null;
  let chosen = null;
  let lastChange = -1;
  let touched = performance.now();
  const touch = () => { touched = performance.now(); };

  function update() {
    const isNew = gateway.event?.totals && gateway.event !== event;
    const before = event?.totals.telegrams;
    if (isNew) event = gateway.event;
    if (!event) return;
    const silent = event.meters.filter((each) => !meterState(each, gateway.elapsed(), false).isServed).map(({ name }) => name);
    const nodes = [...event.nodes, ...event.clients.map((host) => ({ name: clientName(host), kind: "client", label: nameOf(host), host }))];
    const wires = wiresOf(event, nodes).map((wire) => (silent.includes(wire.meter) ? { ...wire, is_alive: false } : wire));
    const width = Math.floor(drawing.clientWidth) || 1200;
    const shape = JSON.stringify([nodes.map(({ name, label }) => [name, label]), wires.map(keyOf), width]);
    if (layout?.shape !== shape) layout = { shape, width, ...layOut(nodes, wires, width) };
    draw(nodes, wires.filter((wire) => layout.lines.has(keyOf(wire))));
    showHead(silent);
    showTotals();
    render(drawer, nodes.filter(({ name }) => name === chosen).map(drawerOf));
    if (isNew && before && !gateway.isLost) pulse(wires, before);
  }

  function draw(nodes, wires) {
    const { width, height, lines, isTall } = layout;
    const has = (end, name) => !isTall && wires.some((wire) => wire[end] === name);
    render(drawing,
      picture(width, height, { role: "group", "aria-label": t("flow_label") },
        wires.map((wire) => s("path.wire", { class: !wire.is_alive && "dead", d: lines.get(keyOf(wire)).d })),
        nodes.map((node) => nodeOf(node, has("target", node.name), has("source", node.name)))),
      picture(width, height, { class: "over", "aria-hidden": "true" }, wires.map((wire) => labelOf(wire, lines.get(keyOf(wire)).label, nodes))),
      wires.map((wire) => h("i.bead", { "data-wire": keyOf(wire), key: keyOf(wire), "aria-hidden": "true" })));
  }

  function nodeOf(node, hasInput, hasOutput) {
    const { x, y, width, room } = layout.places.get(node.name);
    const { state, word, text } = statusOf(node);
    const kind = `${node.kind.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
    const port = (at) => s("rect.port", { x: at - 5, y: 12, width: 10, height: 10, rx: 3 });
    const left = layout.isTall ? 20 : 4;
    return s("g.node", {
      "data-node": node.name, key: node.name, transform: `translate(${x},${y})`,
      "aria-label": `${nodeLabel(node)}: ${word}, ${text}`, "aria-expanded": node.name === chosen, ...pressable(() => choose(node.name)),
    },
    s(`rect.body.kind-${kind}`, { width, height: NODE, rx: 5 }), s("path.icon", { d: "M5 0H32V34H5A5 5 0 0 1 0 29V5A5 5 0 0 1 5 0" }),
    s("use.glyph", { href: `#glyph-${kind}`, x: 1, y: 2 }),
    s("text.label", { x: 41, y: 22 }, cut(shortLabel(node), (width - 46) / LETTER)), hasInput && port(0), hasOutput && port(width),
    s("svg", { x: left, y: 40, width: 13, height: 13 }, mark(gateway.isLost ? "stale" : state)),
    s("text.text", { x: left + 18, y: 51 }, cut(text, room / SMALL_LETTER)), s("title", text));
  }

  function labelOf(wire, place, nodes) {
    const text = place && wireText(wire, nodes);
    if (!text) return null;
    const width = text.length * 6.6 + 14;
    return s("g.wire-label.live", { class: !wire.is_alive && "off", transform: `translate(${place.x.toFixed(1)},${place.y.toFixed(1)})` },
      s("rect", { x: -width / 2, y: -10, width, height: 20, rx: 10 }), s("text", { "text-anchor": "middle", y: 4 }, text));
  }

  // Each number once: the rate from the meter, the power to the registers, the requests to the server and its clients.
  function wireText({ source, target, unit, per_s: rate, power_w: power, is_alive: isAlive }, nodes) {
    const isFromMeter = columnOf(nodes.find(({ name }) => name === source)) < 3;
    const isToClient = target.startsWith("client ");
    if (unit === "requests") return t(isToClient ? "flow_per_s" : "flow_requests", { n: fixed(rate ?? 0, 1) });
    if (!isAlive) return isFromMeter && t("flow_stale");
    if (power !== null) return event.wires.find((each) => each.source === source && each.power_w !== null)?.target === target && `${fixed(power)} W`;
    return (isFromMeter || isToClient) && rate !== null && t("flow_telegrams", { n: fixed(rate, 1) });
  }

  function showHead(silent) {
    const { meters, shown, names } = event;
    // Among many meters, only the wires tell about the one that is shown.
    const isOne = !meters.length;
    const flows = isOne ? event.wires.some((wire) => wire.is_alive && wire.unit === "telegrams") : !silent.length;
    const words = isOne ? t(flows ? "flow_one_flows" : "flow_one_stale", { meter: shown[0] })
      : flows ? t("flow_all_flow") : t(silent.length < meters.length ? "flow_some_stale" : "flow_all_stale", { names: silent.join(", ") });
    render(head, h("h1", t("flow")), mark(gateway.isLost || !flows ? "stale" : "fresh"), h("span", words), h("span.grow"),
      names.length > 0 && select(t("meter"), names.map((name) => [name, name]), shown[0],
        (name) => { location.hash = `#flow/${encodeURIComponent(name)}`; }));
  }

  function showTotals() {
    const { totals: sums, clients, more_clients: more } = event;
    const perS = (n) => t("flow_per_s", { n: fixed(n, 1) });
    const shown = { telegrams: perS(sums.telegrams_per_s), refused: number(sums.refused), requests: perS(sums.requests_per_s),
      exceptions: number(sums.exceptions), clients: number(clients.length + more) };
    render(totals, Object.entries(shown).map(([name, text]) => h("div", h("span.soft.small", t(`flow_total_${name}`)),
      h("b.live", { class: name === "exceptions" && sums.exceptions > 0 && "warn" }, text))));
  }

  // A bead on each wire that a new telegram passes, each hop after the one before, and one for the requests of a second.
  function pulse(wires, counts) {
    if (still.matches || document.hidden) return;
    const now = performance.now();
    const every = now - touched > IDLE_MS ? IDLE_EVERY_MS : BEAD_EVERY_MS;
    for (const wire of wires) {
      const { unit, meter, per_s: rate, is_alive: isAlive } = wire;
      const key = keyOf(wire);
      const line = layout.lines.get(key);
      const isPassed = unit === "telegrams" ? meter && event.totals.telegrams[meter] > (counts[meter] ?? 0) : rate > 0;
      if (!isPassed || !isAlive || !line || now - (beadAt.get(key) ?? -Infinity) < every) continue;
      beadAt.set(key, now);
      const frames = line.points.map(({ x, y }) => ({ transform: `translate(${x.toFixed(1)}px,${y.toFixed(1)}px)`, opacity: 1 }));
      const bead = drawing.querySelector(`.bead[data-wire="${CSS.escape(key)}"]`);
      bead.animate([...frames, { ...frames.at(-1), opacity: 0 }], { duration: BEAD_MS, delay: unit === "requests" ? 0 : line.hop * HOP_MS });
    }
  }

  function choose(name) {
    chosen = chosen === name ? null : name;
    update();
    drawer.querySelector("h2")?.focus();
  }

  function close() {
    const node = drawing.querySelector(`[data-node="${CSS.escape(chosen)}"]`);
    choose(chosen);
    node?.focus();
  }

  // The details of a node, on the side away from it.
  function drawerOf(node) {
    const { word, text } = statusOf(node);
    const isRight = layout.places.get(node.name).x > layout.width / 2;
    const details = node.host ? clientFacts(node.host) : [[t("flow_since"), moment(node.since)],
      ...Object.entries(node.details).map(([name, value]) => [detailName(name), name === "on_stale" ? t(`on_stale_${value}`) : valueText(value)])];
    const target = TARGETS[node.kind];
    return h("aside.drawer", { class: isRight && "left", "aria-label": t("flow_details"), onkeydown: ({ key }) => key === "Escape" && close() },
      h("div.hd", h("h2", { tabindex: -1 }, nodeLabel(node)), h("span.grow"),
        h("button.icon", { "aria-label": t("flow_close"), onclick: close }, "✕")),
      h("p", `${word}: ${text}`), facts(".live", details), h("p.bar", target && h("a.btn", { href: `#${target}` }, t(target))));
  }

  for (const kind of SIGNS_OF_USE) addEventListener(kind, touch, { passive: true });
  const observer = new ResizeObserver(update);
  observer.observe(drawing);
  return {
    element,
    stream: { view: "flow", ...(gateway.path[0] && { meter: gateway.path[0] }) },
    update,
    // The readings become older while no event comes.
    tick() { if (gateway.elapsed() > QUIET_S) update(); },
    async refresh() {
      if (!event || event.changes === lastChange) return;
      lastChange = event.changes;
      const { changes } = await gateway.get("api/changes");
      render(log, changes.length ? changes.slice(0, CHANGES_SHOWN).map(changeItem) : h("li.soft", t("flow_no_changes")));
    },
    close() {
      observer.disconnect();
      for (const kind of SIGNS_OF_USE) removeEventListener(kind, touch);
    },
  };
}

function clientName({ kind, host }) {
  return `client ${kind} ${host}`;
}

// The wires of the gateway, and those to the clients.
function wiresOf({ wires, clients }, nodes) {
  // A passthrough also gets the bytes of the line, for telegrams that only it can pass on; one wire to it is enough.
  const isParser = (name) => name.endsWith("/parser");
  const isDouble = ({ source, target, unit }) => unit === "telegrams" && !isParser(source) && !isParser(target) && wires.some((each) => each.target === target && isParser(each.source));
  const toClients = clients.flatMap((host) => {
    const isReader = host.kind === "passthrough";
    return host.servers.map((source) => ({
      source, target: clientName(host), unit: isReader ? "telegrams" : "requests", per_s: host.requests_per_s, power_w: null,
      is_alive: !["stale", "idle"].includes(host.state), meter: isReader ? host.meter : null,
    }));
  });
  const names = nodes.map(({ name }) => name);
  return [...wires.filter((wire) => !isDouble(wire)), ...toClients].filter(({ source, target }) => names.includes(source) && names.includes(target));
}

function statusOf({ host, status }) {
  if (host) return { state: CLIENT_MARKS[host.state], word: t(`hosts_state_${host.state}`), text: clientText(host) };
  const { colour, mark: shape, label } = status;
  return { state: colour === "green" && shape === "ring" ? "idle" : MARKS[colour], word: t(`colour_${colour}`), text: labelText(label) };
}

function clientText(host) {
  if (host.state === "mistake") return t("hosts_state_mistake");
  const value = host.values.length && host.state === "ok" ? valueWords(host.values[0]) : null;
  return [host.name ? host.host : host.map, value].filter(Boolean).join(", ") || t(`hosts_state_${host.state}`);
}

function clientFacts(host) {
  const all = [[t("host"), host.host], [t("hosts_connections"), host.connections], [t("server"), host.servers.join(", ")]];
  if (host.kind === "passthrough") return all;
  return [...all, [t("unit"), host.unit_id ?? "—"], [t("map"), host.map ?? "—"],
    [t("rate"), host.requests_per_s === null ? "—" : fixed(host.requests_per_s, 1)], [t("responses"), number(host.answers)],
    [t("errors"), number(host.errors)], [t("hosts_reads"), host.reads || "—"], [t("hosts_got"), host.values.map(valueWords).join(", ") || "—"]];
}

function changeItem({ at, kind, subject, seconds, label, values }) {
  const text = t(`change_${kind}`, { subject, after: seconds === null ? "" : ageWords(seconds), reason: label && labelText(label), ...values });
  return h("li", h("span.soft", clock(at)), mark(CHANGE_MARKS[kind] ?? "idle"), h("span", text));
}

// Where a node listens is in its details; its port tells it from others. A client has no port in its label.
export function shortLabel(node) {
  const label = nodeLabel(node);
  if (node.kind === "client" || columnOf(node) < 4 || !label.includes(".") || !label.includes(":")) return label;
  return `${label.slice(0, label.lastIndexOf(" ") + 1)}${label.slice(label.lastIndexOf(":"))}`;
}

function cut(text, length) {
  const most = Math.floor(length);
  return text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text;
}
