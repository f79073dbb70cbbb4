// The flow as Node-RED draws it: nodes and wires with what passes over them, from the meters to the clients.
// A telegram, or the requests of a second, are a bead on each wire they pass. Beads are moved by `transform` alone.

import { CLIENT_MARKS, nameOf, valueWords } from "./clients.js";
import { h, pressable, s, select, setText } from "./dom.js";
import { mark, meterState, setMark } from "./marks.js";
import { ageWords, clock, detailName, fixed, labelText, moment, nodeLabel, number, t, valueText, whenStale } from "./texts.js";

const NODE = 34;
const ROW = 84;
const TALL_ROW = 72;
const MARGIN = 24;
const WIDEST = 220;
const NARROW = 900;
const LETTER = 8;
const SMALL_LETTER = 6.4;
const BEAD_MS = 320;
const HOP_MS = 240;
const BEAD_EVERY_MS = 1000;
const IDLE_MS = 300_000; // after that without a pointer or a key, a bead comes seldom
const IDLE_EVERY_MS = 5000;
const QUIET_S = 1.5; // an event comes each second
const CHANGES_SHOWN = 12;
const COLUMNS = { "push listener": 0, "P1 port": 1, "simulated meter": 1, "MQTT source": 1, decryption: 2, "DSMR parser": 3, "register map": 4, passthrough: 4, "status page": 4, "Modbus server": 5, announcement: 5, client: 6 };
const GLYPHS = {
  "P1 port": "M10 9v6m10-6v6M7 15h16v3a6 6 0 0 1-6 6h-4a6 6 0 0 1-6-6z",
  "push listener": "M15 7v10m-4-4 4 4 4-4M8 19v3h14v-3",
  "simulated meter": "M7 18a8 8 0 0 1 16 0M15 18l4-6M7 22h16",
  decryption: "M11 14v-3a4 4 0 0 1 8 0M9 14h12v9H9zM15 17v3",
  "DSMR parser": "M12 9c-3 0-1 5-4 6 3 1 1 6 4 6M18 9c3 0 1 5 4 6-3 1-1 6-4 6",
  "register map": "M8 9h14v12H8zM8 13h14M8 17h14M13 9v12",
  "Modbus server": "M9 8h12v5H9zM9 17h12v5H9zM12 10.5h.1M12 19.500h.1",
  passthrough: "M7 12h14l-4-4M23 18H9l4 4",
  announcement: "M15 13a2 2 0 1 0 0 4 2 2 0 0 0 0-4M9 9a8 8 0 0 0 0 12M21 9a8 8 0 0 1 0 12",
  "status page": "M7 9h16v12H7zM7 13h16",
  client: "M8 10h14v9H8zM12 23h6",
};
const MARKS = { yellow: "warning", red: "stale", grey: "never", blue: "simulated" };
const CHANGE_MARKS = { meter_first: "fresh", meter_fresh: "fresh", meter_stale: "stale", node_failed: "stale", node_works: "fresh", client_came: "fresh", client_gone: "idle", client_mistake: "warning", reloaded: "fresh", reload_refused: "stale" };

export function create(gateway) {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const sentence = h("span", {});
  const sign = mark("never");
  const chooser = h("span", {});
  const drawing = h("div", { class: "flow-drawing" });
  const flow = h("section", { class: "flow", "aria-label": t("flow_label") }, drawing);
  const totals = new Map(["telegrams", "refused", "requests", "exceptions", "clients"].map((name) => [name, h("b", { class: "live" })]));
  const log = h("ol", { class: "log" });
  const element = h("div", {},
    h("div", { class: "bar" }, h("h1", {}, t("flow")), sign, sentence, h("span", { class: "grow" }), chooser),
    flow,
    h("section", { class: "card totals" }, [...totals].map(([name, value]) => h("div", {}, h("span", { class: "soft small" }, t(`flow_total_${name}`)), value))),
    h("section", { class: "card" }, h("div", { class: "hd" }, h("h2", {}, t("flow_changes")), h("span", { class: "soft small" }, t("flow_newest_first"))), log));
  let meter = decodeURIComponent(gateway.path[0] ?? "");
  let drawn = "";
  let places = new Map();
  let wires = [];
  let chosen = null;
  let applied = null;
  let before = null;
  let lastChange = -1;
  let changes = [];
  let touched = performance.now();
  const beadAt = new Map();
  const touch = () => { touched = performance.now(); };

  // The nodes of the gateway, and each client as a node.
  function nodesOf(event) {
    return [...event.nodes, ...event.clients.map((host) => ({ name: `client ${host.kind} ${host.host}`, kind: "client", label: nameOf(host), host, servers: host.servers }))];
  }

  // The meters that are not fresh now, by the page's own clock.
  function silentMeters(event) {
    return event.meters.filter((each) => !meterState(each, gateway.elapsed(), false).isServed).map(({ name }) => name);
  }

  function update() {
    const event = gateway.event?.totals ? gateway.event : applied;
    if (!event) return;
    const isNew = event !== applied;
    applied = event;
    const nodes = nodesOf(event);
    const width = Math.floor(drawing.clientWidth) || 1200;
    const isTall = width < NARROW;
    const silent = new Set(silentMeters(event));
    const ends = [...event.wires.filter((wire) => !isDouble(wire, event.wires)).map((wire) => (silent.has(wire.meter) ? { ...wire, is_alive: false } : wire)), ...event.clients.flatMap((host) => host.servers.filter((name) => event.nodes.some((node) => node.name === name))
      .map((source) => ({ source, target: `client ${host.kind} ${host.host}`, unit: host.kind === "passthrough" ? "telegrams" : "requests", per_s: host.requests_per_s, power_w: null, is_alive: host.state !== "stale" && host.state !== "idle", meter: host.kind === "passthrough" ? host.meter : null })))];
    const shape = JSON.stringify([nodes.map((node) => [node.name, node.label]), ends.map((wire) => [wire.source, wire.target]), width]);
    if (shape !== drawn) {
      drawn = shape;
      draw(nodes, ends, width, isTall);
    }
    for (const node of nodes) showNode(node);
    ends.forEach((wire) => showWire(wire));
    showHead(event);
    showTotals(event);
    if (isNew) {
      if (!gateway.isLost && before) pulse(ends, before, event);
      before = event.totals.telegrams;
    }
    if (chosen) showDrawer(nodes.find((node) => node.name === chosen));
  }

  function draw(nodes, ends, width, isTall) {
    places = isTall ? placeTall(nodes, ends, width) : placeWide(nodes, ends, width);
    const height = Math.max(...[...places.values()].map((place) => place.y)) + NODE + 44;
    wires = ends.filter((wire) => places.has(wire.source) && places.has(wire.target) && !(isTall && places.get(wire.target).from !== wire.source));
    const lines = wires.map((wire) => {
      wire.path = s("path", { class: "wire", d: (isTall ? stepPath : curvePath)(places.get(wire.source), places.get(wire.target)) });
      return wire.path;
    });
    const [sources, targets] = [new Set(wires.map((wire) => wire.source)), new Set(wires.map((wire) => wire.target))];
    const shapes = nodes.filter((node) => places.has(node.name)).map((node) => drawNode(node, !isTall && targets.has(node.name), !isTall && sources.has(node.name), isTall));
    const size = { width, height, viewBox: `0 0 ${width} ${height}` };
    const labels = s("svg", { class: "over", ...size, "aria-hidden": "true" });
    drawing.replaceChildren(s("svg", { ...size, role: "group", "aria-label": t("flow_label") }, lines, shapes), labels);
    const taken = [];
    for (const wire of wires) {
      wire.text = s("text", { "text-anchor": "middle", y: 4 });
      wire.label = s("g", { class: "wire-label live" }, s("rect", { y: -10, height: 20, rx: 10 }), wire.text);
      labels.append(wire.label);
      wire.bead = h("i", { class: "bead", "aria-hidden": "true" });
      drawing.append(wire.bead);
      wire.points = [0, 0.25, 0.5, 0.75, 1].map((share) => wire.path.getPointAtLength(share * wire.path.getTotalLength()));
      wire.at = isTall ? { x: Math.min(width - 52, places.get(wire.target).x + places.get(wire.target).width + 58), y: places.get(wire.target).y + NODE / 2 } : labelPlace(wire, taken, places);
      wire.hop = Math.round(places.get(wire.source).column);
    }
  }

  function drawNode(node, hasInput, hasOutput, isTall) {
    const { x, y, width } = places.get(node.name);
    const kind = node.kind in COLUMNS ? node.kind.toLowerCase().replace(/[^a-z0-9]+/g, "-") : "other";
    return s("g", { class: "node", "data-node": node.name, transform: `translate(${x},${y})`, role: "button", ...pressable(() => choose(node.name)) },
      s("rect", { class: `body kind-${kind}`, width, height: NODE, rx: 5 }),
      s("path", { class: "icon", d: "M5 0H32V34H5A5 5 0 0 1 0 29V5A5 5 0 0 1 5 0" }),
      s("path", { class: "glyph", transform: "translate(1,2)", d: GLYPHS[node.kind] ?? "M10 15h10" }),
      s("text", { class: "label", x: 41, y: 22 }, cut(shortLabel(node), Math.floor((width - 46) / LETTER))),
      hasInput ? s("rect", { class: "port", x: -5, y: 12, width: 10, height: 10, rx: 3 }) : null,
      hasOutput ? s("rect", { class: "port", x: width - 5, y: 12, width: 10, height: 10, rx: 3 }) : null,
      s("svg", { class: "status-mark", x: isTall ? 20 : 4, y: 40, width: 13, height: 13 }, mark("never")),
      s("text", { class: "text", x: isTall ? 38 : 22, y: 51 }),
      s("title", {}));
  }

  function showNode(node) {
    const shape = drawing.querySelector(`[data-node="${CSS.escape(node.name)}"]`);
    if (!shape) return;
    const isClient = node.kind === "client";
    const text = isClient ? clientText(node.host) : labelText(node.status.label);
    const state = isClient ? CLIENT_MARKS[node.host.state] : node.status.colour === "green" ? (node.status.mark === "ring" ? "idle" : "fresh") : MARKS[node.status.colour];
    const word = isClient ? t(`hosts_state_${node.host.state}`) : t(`colour_${node.status.colour}`);
    setMark(shape.querySelector(".mk"), gateway.isLost ? "stale" : state);
    const { x, step } = places.get(node.name);
    setText(shape.querySelector(".text"), cut(text, Math.floor((step ? step - 30 : drawing.clientWidth - x - 46) / SMALL_LETTER)));
    setText(shape.querySelector("title"), text);
    shape.setAttribute("aria-label", `${nodeLabel(node)}: ${word}, ${text}`);
    shape.setAttribute("aria-expanded", node.name === chosen);
  }

  function showWire(wire) {
    const known = wires.find((each) => each.source === wire.source && each.target === wire.target);
    if (!known) return;
    known.path.classList.toggle("dead", !wire.is_alive);
    const text = wireText(wire, known);
    setText(known.text, text);
    known.label.classList.toggle("off", !wire.is_alive);
    if (!text || !known.at) {
      known.label.setAttribute("visibility", "hidden");
      return;
    }
    known.label.removeAttribute("visibility");
    const width = text.length * 6.6 + 14;
    known.label.setAttribute("transform", `translate(${known.at.x.toFixed(1)},${known.at.y.toFixed(1)})`);
    known.label.firstChild.setAttribute("x", -width / 2);
    known.label.firstChild.setAttribute("width", width);
  }

  // Each number once: the rate from the meter, the power to the registers, the requests to the server and its clients.
  function wireText(wire) {
    const isFromMeter = COLUMNS[kindOf(wire.source)] < 3;
    const isToClient = wire.target.startsWith("client ");
    if (wire.unit === "requests") return t(isToClient ? "flow_per_s" : "flow_requests", { n: fixed(wire.per_s ?? 0, 1) });
    if (!wire.is_alive) return isFromMeter ? t("flow_stale") : "";
    if (wire.power_w !== null) return isFirstMap(wire) ? `${fixed(wire.power_w)} W` : "";
    return (isFromMeter || isToClient) && wire.per_s !== null ? t("flow_telegrams", { n: fixed(wire.per_s, 1) }) : "";
  }

  function isFirstMap(wire) {
    return applied.wires.find((each) => each.source === wire.source && each.power_w !== null)?.target === wire.target;
  }

  function kindOf(name) {
    return applied.nodes.find((node) => node.name === name)?.kind ?? "client";
  }

  function showHead(event) {
    const stale = silentMeters(event);
    const one = event.meters.length ? null : event.wires.some((wire) => wire.is_alive && wire.unit === "telegrams");
    const names = stale.join(", ");
    setMark(sign, gateway.isLost || stale.length || one === false ? "stale" : "fresh");
    setText(sentence, one !== null ? t(one ? "flow_one_flows" : "flow_one_stale", { meter: event.shown[0] })
      : stale.length ? t(stale.length < event.meters.length ? "flow_some_stale" : "flow_all_stale", { names }) : t("flow_all_flow"));
    if (!event.names.length || chooser.firstChild?.dataset.names === String(event.names.length)) return;
    const field = select(t("meter"), event.names.map((name) => [name, name]), event.shown[0], (name) => { location.hash = `#flow/${encodeURIComponent(name)}`; });
    field.dataset.names = event.names.length;
    chooser.replaceChildren(field);
  }

  function showTotals({ totals: sums, clients, more_clients: more }) {
    const shown = { telegrams: t("flow_per_s", { n: fixed(sums.telegrams_per_s, 1) }), refused: number(sums.refused), requests: t("flow_per_s", { n: fixed(sums.requests_per_s, 1) }), exceptions: number(sums.exceptions), clients: number(clients.length + more) };
    for (const [name, value] of totals) setText(value, shown[name]);
    totals.get("exceptions").classList.toggle("warn", sums.exceptions > 0);
  }

  // A bead on each wire that a new telegram passes, each hop after the one before, and one for the requests of a second.
  function pulse(ends, counts, event) {
    if (still.matches || document.hidden) return;
    const moment = performance.now();
    const every = moment - touched > IDLE_MS ? IDLE_EVERY_MS : BEAD_EVERY_MS - 100;
    for (const wire of ends) {
      const isPassed = wire.unit === "telegrams" ? wire.meter && event.totals.telegrams[wire.meter] > (counts[wire.meter] ?? 0) : wire.per_s > 0;
      const known = wires.find((each) => each.source === wire.source && each.target === wire.target);
      const key = `${wire.source} ${wire.target}`;
      if (!isPassed || !wire.is_alive || !known || moment - (beadAt.get(key) ?? -Infinity) < every) continue;
      beadAt.set(key, moment);
      const frames = known.points.map(({ x, y }) => ({ transform: `translate(${x.toFixed(1)}px,${y.toFixed(1)}px)`, opacity: 1 }));
      known.bead.animate([...frames, { ...frames.at(-1), opacity: 0 }], { duration: BEAD_MS, delay: wire.unit === "requests" ? 0 : known.hop * HOP_MS });
    }
  }

  function choose(name) {
    const isSame = chosen === name;
    close();
    if (isSame) return;
    chosen = name;
    const isRight = places.get(name).x > drawing.clientWidth / 2;
    flow.append(h("aside", { class: `drawer ${isRight ? "left" : ""}`, "aria-label": t("flow_details"), onkeydown: (event) => { if (event.key === "Escape") close(true); } },
      h("div", { class: "hd" }, h("h2", { tabindex: -1 }), h("span", { class: "grow" }), h("button", { class: "icon", "aria-label": t("flow_close"), onclick: () => close(true) }, "✕")),
      h("p", { class: "drawer-state" }), h("dl", { class: "kv" }), h("p", { class: "bar" })));
    update();
    flow.querySelector(".drawer h2").focus();
  }

  function close(returnsFocus = false) {
    const name = chosen;
    chosen = null;
    flow.querySelector(".drawer")?.remove();
    const shape = name && drawing.querySelector(`[data-node="${CSS.escape(name)}"]`);
    shape?.setAttribute("aria-expanded", "false");
    if (returnsFocus) shape?.focus();
  }

  function showDrawer(node) {
    if (!node) {
      close();
      return;
    }
    const drawer = flow.querySelector(".drawer");
    const isClient = node.kind === "client";
    setText(drawer.querySelector("h2"), nodeLabel(node));
    setText(drawer.querySelector(".drawer-state"), isClient ? `${t(`hosts_state_${node.host.state}`)}: ${clientText(node.host)}` : `${t(`colour_${node.status.colour}`)}: ${labelText(node.status.label)}`);
    const facts = isClient ? clientFacts(node.host) : [[t("flow_since"), moment(node.since)], ...Object.entries(node.details).map(([name, value]) => [detailName(name), name === "on_stale" ? whenStale(value) : valueText(value)])];
    const list = drawer.querySelector("dl");
    const key = facts.map(([name]) => name).join();
    if (list.dataset.key !== key) {
      list.dataset.key = key;
      list.replaceChildren(...facts.flatMap(([name]) => [h("dt", {}, name), h("dd", { class: "live" })]));
      const target = { client: "clients", "Modbus server": "clients", "register map": "registers", "DSMR parser": "telegram", "P1 port": "telegram" }[node.kind];
      drawer.querySelector(".bar").replaceChildren(...(target ? [h("a", { class: "btn", href: `#${target}` }, t(target))] : []));
    }
    facts.forEach(([, value], index) => setText(list.children[2 * index + 1], value));
  }

  function clientFacts(host) {
    return [[t("host"), host.host], [t("hosts_connections"), String(host.connections)], [t("server"), host.servers.join(", ")],
      ...(host.kind === "passthrough" ? [] : [[t("unit"), String(host.unit_id ?? "—")], [t("map"), host.map ?? "—"], [t("rate"), host.requests_per_s === null ? "—" : fixed(host.requests_per_s, 1)], [t("responses"), number(host.answers)],
        [t("errors"), number(host.errors)], [t("hosts_reads"), host.reads || "—"], [t("hosts_got"), host.values.map(valueWords).join(", ") || "—"]])];
  }

  function showChanges() {
    log.replaceChildren(...changes.slice(0, CHANGES_SHOWN).map((change) => h("li", {}, h("span", { class: "soft" }, clock(change.at)), mark(CHANGE_MARKS[change.kind] ?? "idle"), h("span", {}, changeText(change)))));
    if (!changes.length) log.replaceChildren(h("li", { class: "soft" }, t("flow_no_changes")));
  }

  for (const kind of ["pointerdown", "pointermove", "keydown"]) addEventListener(kind, touch, { passive: true });
  const observer = new ResizeObserver(() => update());
  observer.observe(drawing);
  return {
    element,
    get stream() { return { view: "flow", ...(meter ? { meter } : {}) }; },
    update,
    // The readings become older while no event comes.
    tick() { if (gateway.elapsed() > QUIET_S) update(); },
    async refresh() {
      if (!applied || applied.changes === lastChange) return;
      lastChange = applied.changes;
      ({ changes } = await gateway.get("api/changes"));
      showChanges();
    },
    close() {
      observer.disconnect();
      for (const kind of ["pointerdown", "pointermove", "keydown"]) removeEventListener(kind, touch);
    },
  };
}

// A passthrough also gets the bytes of the line, for telegrams that only it can pass on; one wire to it is enough.
function isDouble(wire, all) {
  const isFromParser = (each) => each.target === wire.target && each.source.endsWith("/parser");
  return !isFromParser(wire) && wire.unit === "telegrams" && all.some(isFromParser) && !wire.target.endsWith("/parser");
}

function clientText(host) {
  if (host.state === "mistake") return t("hosts_state_mistake");
  return [host.host === nameOf(host) ? host.map : host.host, host.values.length && host.state === "ok" ? valueWords(host.values[0]) : null].filter(Boolean).join(", ") || t(`hosts_state_${host.state}`);
}

function changeText({ kind, subject, seconds, label, values }) {
  const key = `change_${kind}`;
  return t(key, { subject, after: seconds === null ? "" : ageWords(seconds), reason: label ? labelText(label) : "", address: values.address ?? "", unit: values.unit ?? "" });
}

// Where a node listens is in its details; its port tells it from others. A client has no port in its label.
export function shortLabel(node) {
  const label = nodeLabel(node);
  if (node.kind === "client" || !(COLUMNS[node.kind] > 3) || !label.includes(".") || !label.includes(":")) return label;
  return `${label.slice(0, label.lastIndexOf(" ") + 1)}${label.slice(label.lastIndexOf(":"))}`;
}

function cut(text, length) {
  return text.length > length ? `${text.slice(0, Math.max(1, length - 1))}…` : text;
}

// Columns from the meters to the clients, those without a node left out; the telegrams of each meter in rows of its own.
function placeWide(nodes, ends, width) {
  const columnOf = (node) => COLUMNS[node.kind] ?? 5;
  const used = [...new Set(nodes.map(columnOf))].sort((a, b) => a - b);
  const step = used.length > 1 ? (width - 2 * MARGIN - nodeWidth(width, used.length)) / (used.length - 1) : 0;
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const after = (node) => ends.filter((wire) => wire.source === node.name).map((wire) => byName.get(wire.target)).filter(Boolean);
  const rows = new Map();
  let next = 0;
  // Maps, passthroughs and the page of a meter are under each other; what feeds them is beside their middle.
  for (const source of nodes.filter((node) => columnOf(node) === 1)) {
    const chain = [source];
    const leaves = [];
    for (const node of chain) {
      for (const follower of after(node)) {
        if (columnOf(follower) === 4 && !rows.has(follower.name) && !leaves.includes(follower)) leaves.push(follower);
        if (columnOf(follower) < 4 && !chain.includes(follower)) chain.push(follower);
      }
    }
    leaves.sort((a, b) => LEAVES.indexOf(a.kind) - LEAVES.indexOf(b.kind));
    leaves.forEach((leaf, index) => rows.set(leaf.name, next + index));
    const maps = Math.max(1, leaves.filter((leaf) => leaf.kind === "register map").length);
    chain.forEach((node) => rows.set(node.name, next + (maps - 1) / 2));
    next += Math.max(1, leaves.length);
  }
  for (const node of nodes) if (!rows.has(node.name) && columnOf(node) < 5) rows.set(node.name, columnOf(node) === 0 ? 0 : next++);
  for (const column of [5, 6]) {
    const wanted = nodes.filter((node) => columnOf(node) === column).map((node) => {
      const feeding = ends.filter((wire) => wire.target === node.name && rows.has(wire.source));
      return [node, feeding.length ? rows.get(feeding[0].source) : next, feeding[0]?.source];
    });
    const groups = new Map();
    for (const [node, row, source] of wanted) groups.set(source, [...(groups.get(source) ?? []), [node, row]]);
    const list = [...groups.values()].flatMap((group) => group.map(([node, row], index) => [node, column === 6 ? Math.max(0, row - (group.length - 1) / 2) + index : row + index]));
    // A wire from a passthrough to its readers runs straight past the servers.
    const passing = column === 5 ? nodes.filter((node) => node.kind === "passthrough" && after(node).some((each) => each.kind === "client")).map((node) => rows.get(node.name)) : [];
    let least = 0;
    for (const [node, row] of list.sort((a, b) => a[1] - b[1])) {
      let place = Math.max(least, row);
      while (passing.some((each) => Math.abs(each - place) < 0.75)) place += 0.5;
      rows.set(node.name, place);
      least = place + 1;
    }
  }
  const lowest = Math.min(...rows.values());
  return new Map(nodes.map((node) => {
    const column = used.indexOf(columnOf(node));
    return [node.name, { x: MARGIN + column * step, y: MARGIN + (rows.get(node.name) - lowest) * ROW, width: nodeWidth(width, used.length), column, step: column === used.length - 1 ? nodeWidth(width, used.length) + 24 : step }];
  }));
}

const LEAVES = ["register map", "passthrough", "status page"];

function nodeWidth(width, columns) {
  return Math.min(WIDEST, (width - 2 * MARGIN) / columns - 72);
}

// On a phone: one column; each node below the one that feeds it, so that no wire crosses a node.
function placeTall(nodes, ends, width) {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const found = new Map();
  const feederOf = (name) => ends.find((wire) => wire.target === name)?.source;
  // A server is below the last map of its first meter.
  const isLast = (source, target) => {
    const feeding = ends.filter((wire) => wire.target === target).map((wire) => wire.source);
    return feeding.findLast((name) => feederOf(name) === feederOf(feeding[0])) === source;
  };
  const depthOf = { 0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 3, 6: 4 };
  const take = (node, from) => {
    if (found.has(node.name)) return;
    const column = COLUMNS[node.kind] ?? 5;
    const depth = node.kind === "client" && byName.get(from)?.kind === "passthrough" ? 3 : depthOf[column];
    found.set(node.name, { x: 14 + 18 * depth, y: 16 + TALL_ROW * found.size, width: Math.min(200, width - 130 - 18 * depth), column, from });
    for (const wire of ends) if (wire.source === node.name && byName.has(wire.target) && (node.kind !== "register map" || isLast(node.name, wire.target))) take(byName.get(wire.target), node.name);
  };
  for (const node of nodes) if ((COLUMNS[node.kind] ?? 5) < 2 && node.kind !== "push listener") take(node, null);
  for (const node of nodes) take(node, null);
  return found;
}

function curvePath(from, to) {
  const [x, y, X, Y] = [from.x + from.width, from.y + NODE / 2, to.x, to.y + NODE / 2];
  const handle = Math.max(30, Math.min(90, (X - x) * 0.6));
  return `M${x} ${y}C${x + handle} ${y} ${X - handle} ${Y} ${X} ${Y}`;
}

function stepPath(from, to) {
  const [x, y] = [from.x + 9, to.y + NODE / 2];
  return `M${x} ${from.y + NODE}V${y - 8}Q${x} ${y} ${x + 8} ${y}H${to.x}`;
}

// A place on a wire where no other label and no node is; null if there is none.
function labelPlace({ path: line, source, target }, taken, nodes) {
  const length = line.getTotalLength();
  for (const share of [0.5, 0.62, 0.38, 0.72, 0.28]) {
    const { x, y } = line.getPointAtLength(share * length);
    const isFree = taken.every((other) => Math.abs(other.x - x) > 76 || Math.abs(other.y - y) > 23)
      && [...nodes].every(([name, node]) => {
        const margin = name === source || name === target ? 40 : 90;
        return x + margin < node.x || x - margin > node.x + node.width || Math.abs(node.y + NODE / 2 - y) > 30;
      });
    if (!isFree) continue;
    taken.push({ x, y });
    return { x, y };
  }
  return null;
}
