// The flow as Node-RED draws it: nodes, wires, and under each node a mark and a short text.

import { h, pressable, s, setText } from "./dom.js";
import { detailName, labelText, nodeLabel, t, valueText, whenStale } from "./texts.js";

const NODE_HEIGHT = 30;
const ROW = 60;
const GRID = 20;
const GAP = 60;
const MARGIN = 20;
const NARROW = 760;
const STATUS_CHARACTERS = 34;
const LEAST_COLUMN = 180;
const LETTER = 7.4;
const COLUMNS = { "P1 port": 0, "push listener": 0, "simulated meter": 0, decryption: 1, "DSMR parser": 1, "register map": 2, passthrough: 2, "status page": 2, "Modbus server": 3, announcement: 3 };
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
};

export function create(gateway) {
  const drawing = h("div", { class: "flow scroll" });
  const more = h("section", { class: "card" });
  const also = h("p", { class: "quiet" });
  let drawn = "";
  let chosen = null;

  function choose(name) {
    chosen = chosen === name ? null : name;
    update();
  }

  function update() {
    if (!gateway.status) return;
    const wired = new Set(gateway.status.wires.flatMap((wire) => [wire.source, wire.target]));
    if (!wired.size) gateway.status.nodes.forEach((node) => wired.add(node.name));
    const nodes = gateway.status.nodes.filter((node) => wired.has(node.name));
    const isNarrow = drawing.clientWidth > 0 && drawing.clientWidth < NARROW;
    const shape = JSON.stringify([nodes.map((node) => [node.name, node.label]), gateway.status.wires, isNarrow]);
    if (shape !== drawn) {
      drawn = shape;
      drawing.replaceChildren(draw(nodes, gateway.status.wires, isNarrow, choose));
    }
    for (const node of nodes) mark(drawing, node, node.name === chosen);
    showMore(more, gateway.status.nodes.find((node) => node.name === chosen));
    const others = gateway.status.nodes.filter((node) => !wired.has(node.name));
    setText(also, others.length ? `${t("also")}: ${others.map((node) => `${nodeLabel(node)} (${labelText(node.status.label)})`).join(", ")}` : "");
  }

  const observer = new ResizeObserver(update);
  observer.observe(drawing);
  return { element: h("div", {}, drawing, more, also), update };
}

function widthOf(node) {
  const length = Math.max(nodeLabel(node).length * LETTER + 57, 0);
  return Math.max(100, GRID * Math.ceil(length / GRID));
}

function cut(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function draw(nodes, wires, isNarrow, choose) {
  const places = isNarrow ? placeNarrow(nodes, wires) : placeWide(nodes, wires);
  const width = Math.max(...[...places.values()].map((place) => place.x + Math.max(place.width, 180))) + MARGIN;
  const height = Math.max(...[...places.values()].map((place) => place.y)) + ROW + MARGIN / 2;
  const wire = isNarrow ? stepWire : curvedWire;
  const lines = wires.filter(({ source, target }) => places.has(source) && places.has(target))
    .map(({ source, target }) => s("path", { class: "wire", d: wire(places.get(source), places.get(target)) }));
  const sources = new Set(wires.map((each) => each.source));
  const targets = new Set(wires.map((each) => each.target));
  const shapes = nodes.map((node) => drawNode(node, places.get(node.name), targets.has(node.name), sources.has(node.name), isNarrow, choose));
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": t("flow_label") }, lines, shapes);
}

function drawNode(node, { x, y, width }, hasInput, hasOutput, isNarrow, choose) {
  const kind = node.kind in COLUMNS ? node.kind.toLowerCase().replace(/[^a-z0-9]+/g, "-") : "other";
  return s("g", { class: "node", "data-node": node.name, transform: `translate(${x},${y})`, role: "button", ...pressable(() => choose(node.name)) },
    s("rect", { class: `body kind-${kind}`, width, height: NODE_HEIGHT, rx: 5 }),
    s("rect", { class: "icon", width: 30, height: NODE_HEIGHT, rx: 5 }),
    s("path", { class: "divider", d: "M30 0v30" }),
    s("path", { class: "glyph", d: GLYPHS[node.kind] ?? "M10 15h10" }),
    s("text", { class: "label", x: 38, y: 20 }, cut(nodeLabel(node), Math.floor((width - 44) / LETTER))),
    hasInput ? s("rect", { class: "port", x: -5, y: 10, width: 10, height: 10, rx: 3 }) : null,
    hasOutput && !isNarrow ? s("rect", { class: "port", x: width - 5, y: 10, width: 10, height: 10, rx: 3 }) : null,
    s("g", { transform: `translate(${isNarrow ? 16 : 3},33)` },
      s("rect", { class: "mark", x: 6, y: 2, width: 9, height: 9, rx: 2 }),
      s("text", { class: "text", x: 21, y: 11 })),
    s("title", {}));
}

function mark(drawing, node, isChosen) {
  const shape = drawing.querySelector(`[data-node="${CSS.escape(node.name)}"]`);
  const { colour, mark: form, label } = node.status;
  const text = labelText(label);
  shape.querySelector(".mark").setAttribute("class", `mark ${form} ${colour}`);
  setText(shape.querySelector(".text"), cut(text, STATUS_CHARACTERS));
  setText(shape.querySelector("title"), text);
  shape.setAttribute("aria-label", `${nodeLabel(node)}: ${t(`colour_${colour}`)}, ${text}`);
  shape.setAttribute("aria-expanded", isChosen);
}

// Columns from left to right; the nodes of each meter in rows of their own, each server beside its units.
function placeWide(nodes, wires) {
  const columns = [[], [], [], []];
  for (const node of nodes) columns[COLUMNS[node.kind] ?? 3].push(node);
  const lefts = [MARGIN];
  for (const column of columns.slice(0, -1)) lefts.push(lefts.at(-1) + GRID * Math.ceil((Math.max(LEAST_COLUMN, ...column.map(widthOf)) + GAP) / GRID));
  const rows = new Map();
  const next = [0, 0, 0, 0];
  const put = (node, wanted) => {
    const column = COLUMNS[node.kind] ?? 3;
    rows.set(node.name, Math.max(wanted, next[column]));
    next[column] = rows.get(node.name) + 1;
  };
  const from = (name) => wires.filter((wire) => wire.source === name).map((wire) => nodes.find((node) => node.name === wire.target)).filter(Boolean);
  let row = 0;
  for (const source of columns[0]) {
    put(source, row);
    const parsers = from(source.name).filter((node) => node.kind === "DSMR parser");
    const beyond = [...parsers.flatMap((parser) => from(parser.name)), ...from(source.name)]
      .filter((node) => columns[2].includes(node) && node.kind !== "status page");
    for (const parser of parsers) put(parser, row);
    for (const node of new Set(beyond)) if (!rows.has(node.name)) put(node, row);
    row = Math.max(row + 1, next[2]);
  }
  for (const node of nodes) if (!rows.has(node.name) && COLUMNS[node.kind] < 3) put(node, 0);
  for (const node of columns[3]) {
    const feeding = wires.filter((wire) => wire.target === node.name && columns[2].some((each) => each.name === wire.source)).map((wire) => rows.get(wire.source));
    put(node, feeding.length ? feeding.reduce((a, b) => a + b, 0) / feeding.length : next[3]);
  }
  return new Map(nodes.map((node) => [node.name, { x: lefts[COLUMNS[node.kind] ?? 3], y: MARGIN + ROW * rows.get(node.name), width: widthOf(node) }]));
}

// On a phone: one column, each node after the first that feeds it, indented by its distance from the meter.
function placeNarrow(nodes, wires) {
  const order = new Set();
  const take = (node) => {
    if (order.has(node) || COLUMNS[node.kind] > 2 || node.kind === "status page") return;
    order.add(node);
    for (const wire of wires) if (wire.source === node.name) nodes.filter((each) => each.name === wire.target).forEach(take);
  };
  nodes.filter((node) => COLUMNS[node.kind] === 0).forEach(take);
  nodes.forEach((node) => order.add(node));
  return new Map([...order].map((node, index) => [node.name, { x: 10 + 16 * (COLUMNS[node.kind] ?? 3), y: MARGIN + ROW * index, width: Math.min(widthOf(node), 270) }]));
}

function curvedWire(from, to) {
  const [x, y, X, Y] = [from.x + from.width, from.y + 15, to.x, to.y + 15];
  const distance = Math.hypot(X - x, Y - y);
  const handle = distance < 100 ? 75 - 75 * ((100 - distance) / 100) : 75;
  return `M${x} ${y}C${x + handle} ${y} ${X - handle} ${Y} ${X} ${Y}`;
}

function stepWire(from, to) {
  return `M${from.x + 8} ${from.y + NODE_HEIGHT}V${to.y + 10}q0 5 5 5H${to.x}`;
}

function showMore(section, node) {
  if (!node) {
    if (!section.querySelector("p")) section.replaceChildren(h("p", { class: "quiet" }, t("choose_node")));
    return;
  }
  section.replaceChildren(
    h("h2", {}, nodeLabel(node)),
    h("dl", {},
      h("dt", {}, t("status")), h("dd", { class: "live" }, `${t(`colour_${node.status.colour}`)}: ${labelText(node.status.label)}`),
      Object.entries(node.details).flatMap(([name, value]) => [h("dt", {}, detailName(name)), h("dd", { class: "live" }, name === "on_stale" ? whenStale(value) : valueText(value))])));
}
