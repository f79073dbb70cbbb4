// The flow as Node-RED draws it: nodes and wires with what passes over them, from the meters to the clients.
// A telegram, or the requests of a second, are a bead on each wire they pass. Beads are moved by `transform` alone.

import { CLIENT_MARKS, nameOf, valueWords } from "./clients.js";
import { card, facts, h, make, render, s, select } from "./dom.js";
import { mark, meterState } from "./marks.js";
import { ageWords, clock, detailName, fixed, labelText, moment, nodeLabel, number, t, valueText } from "./texts.js";

const [BEAD_MS, HOP_MS, BEAD_EVERY_MS] = [320, 240, 900];
const [IDLE_MS, IDLE_EVERY_MS] = [300_000, 5000]; // after so long without a pointer or a key, a bead comes seldom
const QUIET_S = 1.5; // an event comes each second
const CHANGES_SHOWN = 12;
const LABEL_SHARES = [0.5, 0.62, 0.38, 0.72, 0.28]; // of a wire, where its label may be
const SIGNS_OF_USE = ["pointerdown", "pointermove", "keydown"];
const TARGETS = { client: "clients", "Modbus server": "clients", "register map": "registers", "DSMR parser": "telegram", "P1 port": "telegram" };
const WITH_ADDRESS = ["Modbus server", "passthrough", "announcement", "status page"];
const MARKS = { green: "fresh", yellow: "warning", red: "stale", grey: "never", blue: "simulated" };
const CHANGE_MARKS = {
  meter_first: "fresh", meter_fresh: "fresh", meter_stale: "stale", node_failed: "stale", node_works: "fresh",
  client_came: "fresh", client_mistake: "warning", reloaded: "fresh", reload_refused: "stale",
};

const narrow = matchMedia("(max-width: 940px)"); // as in the style sheet

export function create(gateway) {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const [head, boxes, over, drawer, totals, log] = [h("div.bar"), h("div.nodes"), h("div"), h("div"), h("section.card.totals"), h("ol.log")].map(make);
  const drawing = make(h("div.flow-drawing", boxes, over));
  const flow = h("section.flow", { "aria-label": t("flow_label") }, drawing, drawer);
  const element = make(h("div", head, flow, totals, card("", t("flow_changes"), h("span.soft.small", t("flow_newest_first")), log)));
  const beadAt = new Map();
  let event = null;
  let lines = new Map();
  let shape = "";
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
    const clients = event.clients.map((host) => ({ name: `client ${host.kind} ${host.host}`, kind: "client", label: nameOf(host), host }));
    const nodes = new Map([...event.nodes, ...clients].map((node) => [node.name, node]));
    const wires = event.wires.map((wire) => ({ ...wire, key: `${wire.source} ${wire.target}`, is_alive: wire.is_alive && !silent.includes(wire.meter),
      is_unsent: event.meters.some(({ name, telegrams }) => name === wire.meter && !telegrams) }));
    // The style sheet places the nodes; the wires go from one to the other, wherever they are.
    render(boxes, event.places.map((place) => nodeOf(nodes.get(place.name), place)));
    const places = new Map([...boxes.children].map((box) => [box.dataset.node, placeOf(box)]));
    const newShape = JSON.stringify([[...places], wires.map(({ key }) => key)]);
    if (shape !== newShape) [shape, lines] = [newShape, linesOf(wires, places, event.places)];
    const drawn = wires.filter(({ key }) => lines.has(key));
    render(over,
      s("svg.wires", { "aria-hidden": "true" }, drawn.map(({ key, is_alive: isAlive }) => s("path.wire", { class: !isAlive && "dead", d: lines.get(key).d })),
        drawn.map((wire) => labelOf(wire, lines.get(wire.key).label))),
      drawn.map(({ key }) => h("i.bead", { "data-wire": key, key, "aria-hidden": "true" })));
    showHead(silent);
    showTotals();
    render(drawer, nodes.has(chosen) && drawerOf(nodes.get(chosen), places.get(chosen)));
    if (isNew && before && !gateway.isLost) pulse(drawn, before);
  }

  function nodeOf(node, { column, row, depth }) {
    const { state, word, text } = statusOf(node);
    const kind = node.kind.toLowerCase().replace(/[^a-z0-9]+/g, "-");
    return h("button.node", {
      "data-node": node.name, key: node.name, style: { "--column": column, "--row": row, "--depth": depth }, title: text,
      "aria-label": `${nodeLabel(node)}: ${word}, ${text}`, "aria-expanded": node.name === chosen, onclick: () => choose(node.name),
    },
    h(`span.body.kind-${kind}`, s("svg.glyph", { width: 30, height: 30 }, s("use", { href: `#glyph-${kind}` })), h("span.label", shortLabel(node))),
    h("span.text", mark(gateway.isLost ? "stale" : state), h("span", text)));
  }

  function labelOf(wire, place) {
    const text = place && wireText(wire);
    if (!text) return null;
    const width = text.length * 6.6 + 14;
    return s("g.wire-label.live", { class: !wire.is_alive && !wire.is_unsent && "off", transform: `translate(${place.x.toFixed(1)},${place.y.toFixed(1)})` },
      s("rect", { x: -width / 2, y: -10, width, height: 20, rx: 10 }), s("text", { "text-anchor": "middle", y: 4 }, text));
  }

  function showHead(silent) {
    const { meters, shown, names } = event;
    const flows = meters.length > 0 && !silent.length;
    const words = flows ? t(names.length ? "flow_one_flows" : "flow_all_flow", { meter: shown[0] })
      : t(silent.length < meters.length ? "flow_some_stale" : "flow_all_stale", { names: silent.join(", ") });
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
    for (const { key, unit, meter, per_s: rate, is_alive: isAlive } of wires) {
      const isPassed = unit === "telegrams" ? meter && event.totals.telegrams[meter] > (counts[meter] ?? 0) : rate > 0;
      if (!isPassed || !isAlive || now - (beadAt.get(key) ?? -Infinity) < every) continue;
      beadAt.set(key, now);
      const { points, hop } = lines.get(key);
      const frames = points.map(({ x, y }) => ({ transform: `translate(${x.toFixed(1)}px,${y.toFixed(1)}px)`, opacity: 1 }));
      const bead = drawing.querySelector(`.bead[data-wire="${CSS.escape(key)}"]`);
      bead.animate([...frames, { ...frames.at(-1), opacity: 0 }], { duration: BEAD_MS, delay: unit === "requests" ? 0 : hop * HOP_MS });
    }
  }

  function choose(name) {
    chosen = chosen === name ? null : name;
    update();
    drawer.querySelector("h2")?.focus();
  }

  function close() {
    const node = boxes.querySelector(`[data-node="${CSS.escape(chosen)}"]`);
    choose(chosen);
    node?.focus();
  }

  // The details of a node, on the side away from it.
  function drawerOf(node, { x }) {
    const { word, text } = statusOf(node);
    const isRight = x > drawing.clientWidth / 2;
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
  const text = t(`change_${kind}`, { subject, after: seconds === null ? "" : ageWords(seconds), reason: label && `: ${labelText(label)}`, ...values });
  return h("li", h("span.soft", clock(at)), mark(CHANGE_MARKS[kind] ?? "idle"), h("span", text));
}

// Where a node listens is in its details; its port tells it from others. A client has no port in its label.
export function shortLabel(node) {
  const label = nodeLabel(node);
  return WITH_ADDRESS.includes(node.kind) ? label.replace(/\S+(?=:\d+$)/, "") : label;
}

function wireText({ shows, per_s: rate, power_w: power, unit, is_alive: isAlive, is_unsent: isUnsent }) {
  if (shows === "power") return isAlive && power !== null && `${fixed(power)} W`;
  if (!isAlive && unit === "telegrams") return shows === "telegrams" && (isUnsent ? "—" : t("flow_stale"));
  return shows && rate !== null && t(`flow_${shows}`, { n: fixed(rate, 1) });
}

// Where the body of a node is in the drawing, in pixels.
function placeOf({ firstChild: { offsetLeft: x, offsetTop: top, offsetWidth: width, offsetHeight: height } }) {
  return { x, y: top + height / 2, right: x + width, bottom: top + height };
}

// The lines of wires and the places of their labels, by the key of the wire. On a phone, the nodes are in one column:
// each has only the wire from the node above that feeds it.
function linesOf(wires, places, shown) {
  const isTall = narrow.matches;
  const byName = new Map(shown.map((each) => [each.name, each]));
  const taken = [];
  return new Map(wires.filter(({ source, target }) => !isTall || byName.get(target).parent === source).map(({ key, source, target }) => {
    const [from, to] = [places.get(source), places.get(target)];
    const d = isTall ? step(from, to) : curve(from, to);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    const at = (share) => path.getPointAtLength(share * path.getTotalLength());
    const label = isTall ? { x: to.right + 58, y: to.y } : freePlace(LABEL_SHARES.map(at), [from, to], taken, places);
    if (label) taken.push(label);
    return [key, { d, label, points: [0, 0.25, 0.5, 0.75, 1].map(at), hop: byName.get(source).column - 1 }];
  }));
}

function curve({ right: x, y }, { x: X, y: Y }) {
  const handle = Math.max(30, Math.min(90, (X - x) * 0.6));
  return `M${x} ${y}C${x + handle} ${y} ${X - handle} ${Y} ${X} ${Y}`;
}

function step({ x, bottom }, to) {
  return `M${x + 9} ${bottom}V${to.y - 8}q0 8 8 8H${to.x}`;
}

function freePlace(candidates, ends, taken, places) {
  return candidates.find(({ x, y }) => taken.every((other) => Math.abs(other.x - x) > 76 || Math.abs(other.y - y) > 23)
    && [...places.values()].every((node) => {
      const margin = ends.includes(node) ? 40 : 90;
      return x + margin < node.x || x - margin > node.right || Math.abs(node.y - y) > 30;
    }));
}
