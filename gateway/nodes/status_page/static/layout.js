// Where the nodes and wires of the flow are: columns from the meters to the clients, or one column on a phone. No elements in it.

export const NODE = 34; // the height of a node
const [ROW, TALL_ROW, MARGIN, TALL_MARGIN, INDENT] = [84, 72, 24, 16, 18];
const WIDEST = 220;
const NARROW = 900;
const BELOW = 44; // space for the text below the lowest node
const COLUMNS = {
  "push listener": 0, "P1 port": 1, "simulated meter": 1, "MQTT source": 1, decryption: 2, "DSMR parser": 3,
  "register map": 4, passthrough: 4, "status page": 4,
  "Modbus server": 5, announcement: 5, client: 6,
};
const [LISTENER, SOURCE, LEAF, SERVER, CLIENT] = [0, 1, 4, 5, 6];
const LEAVES = ["register map", "passthrough", "status page"];
const DEPTHS = [0, 0, 1, 1, 2, 3, 4]; // of the columns, on a phone
const SHARES = [0.5, 0.62, 0.38, 0.72, 0.28]; // of a wire, where a label may be

export function columnOf({ kind }) {
  return COLUMNS[kind] ?? SERVER;
}

// The places of nodes by their name, the lines of wires by `keyOf`, and the height.
export function layOut(nodes, wires, width) {
  const isTall = width < NARROW;
  const places = isTall ? tall(nodes, wires, width) : wide(nodes, wires, width);
  const taken = [];
  const lines = new Map(wires.filter(({ source, target }) => !isTall || places.get(target).from === source).map((wire) => {
    const [from, to] = [places.get(wire.source), places.get(wire.target)];
    const d = isTall ? step(from, to) : curve(from, to);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    const at = (share) => path.getPointAtLength(share * path.getTotalLength());
    const label = isTall ? { x: Math.min(width - 52, to.x + to.width + 58), y: to.y + NODE / 2 } : freePlace(SHARES.map(at), wire, taken, places);
    if (label) taken.push(label);
    return [keyOf(wire), { d, label, points: [0, 0.25, 0.5, 0.75, 1].map(at), hop: from.column }];
  }));
  return { isTall, places, lines, height: Math.max(...[...places.values()].map(({ y }) => y)) + NODE + BELOW };
}

export function keyOf({ source, target }) {
  return `${source} ${target}`;
}

// The telegrams of each meter have rows of their own. Columns without a node are left out.
function wide(nodes, wires, width) {
  const rows = rowsOf(nodes, wires);
  const used = [...new Set(nodes.map(columnOf))].sort((a, b) => a - b);
  const size = Math.min(WIDEST, (width - 2 * MARGIN) / used.length - 72);
  const apart = used.length > 1 ? (width - 2 * MARGIN - size) / (used.length - 1) : 0;
  const top = Math.min(...rows.values());
  return new Map(nodes.map((node) => {
    const column = used.indexOf(columnOf(node));
    const room = column === used.length - 1 ? size - 6 : apart - 30; // for the text below
    return [node.name, { x: MARGIN + column * apart, y: MARGIN + (rows.get(node.name) - top) * ROW, width: size, column, room }];
  }));
}

function rowsOf(nodes, wires) {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const fedBy = ({ name }) => wires.filter(({ source }) => source === name).map(({ target }) => byName.get(target));
  const rows = new Map();
  let next = 0;
  // Maps, passthroughs and the page of a meter are under each other; what feeds them is beside the middle of the maps.
  for (const source of nodes.filter((node) => columnOf(node) === SOURCE)) {
    const found = new Set([source]);
    for (const node of found) if (columnOf(node) < LEAF) fedBy(node).filter((each) => columnOf(each) <= LEAF).forEach((each) => found.add(each));
    const leaves = [...found].filter((node) => columnOf(node) === LEAF && !rows.has(node.name))
      .sort((a, b) => LEAVES.indexOf(a.kind) - LEAVES.indexOf(b.kind));
    const maps = Math.max(1, leaves.filter(({ kind }) => kind === "register map").length);
    leaves.forEach(({ name }, index) => rows.set(name, next + index));
    for (const node of found) if (columnOf(node) < LEAF) rows.set(node.name, next + (maps - 1) / 2);
    next += Math.max(1, leaves.length);
  }
  for (const node of nodes) if (!rows.has(node.name) && columnOf(node) < SERVER) rows.set(node.name, columnOf(node) === LISTENER ? 0 : next++);
  // A wire from a passthrough to its readers goes straight past the servers.
  const passing = nodes.filter((node) => node.kind === "passthrough" && fedBy(node).some(({ kind }) => kind === "client")).map(({ name }) => rows.get(name));
  const inColumn = (column) => nodes.filter((node) => columnOf(node) === column);
  settle(inColumn(SERVER), wires, rows, next, passing);
  settle(inColumn(CLIENT), wires, rows, next, null);
  return rows;
}

// Puts nodes beside what feeds them, those with the same feeder under each other, and moves them down where one is already.
// `passing` are rows without a server; clients are around the middle of their feeder instead.
function settle(nodes, wires, rows, last, passing) {
  const groups = new Map();
  for (const { name } of nodes) {
    const feeder = wires.find(({ source, target }) => target === name && rows.has(source))?.source;
    groups.set(feeder, [...(groups.get(feeder) ?? []), name]);
  }
  const wanted = [...groups].flatMap(([feeder, names]) => {
    const row = rows.get(feeder) ?? last;
    const first = passing ? row : Math.max(0, row - (names.length - 1) / 2);
    return names.map((name, index) => [name, first + index]);
  });
  let least = 0;
  for (const [name, row] of wanted.sort((a, b) => a[1] - b[1])) {
    let place = Math.max(least, row);
    while (passing?.some((each) => Math.abs(each - place) < 0.75)) place += 0.5;
    rows.set(name, place);
    least = place + 1;
  }
}

// On a phone: one column; each node below the one that feeds it, so that no wire crosses a node.
function tall(nodes, wires, width) {
  const places = new Map();
  const feedersOf = (name) => wires.filter(({ target }) => target === name).map(({ source }) => source);
  // A server is below the last map of its first meter.
  const isBelow = (source, target) => {
    const feeders = feedersOf(target);
    const meterOf = (name) => feedersOf(name)[0];
    return feeders.findLast((name) => meterOf(name) === meterOf(feeders[0])) === source;
  };
  const take = (node, from) => {
    if (places.has(node.name)) return;
    const depth = DEPTHS[node.kind === "client" && from?.kind === "passthrough" ? SERVER : columnOf(node)];
    const x = 14 + INDENT * depth;
    places.set(node.name, { x, y: TALL_MARGIN + TALL_ROW * places.size, width: Math.min(200, width - 116 - x), column: columnOf(node),
      from: from?.name, room: width - x - 46 });
    for (const { source, target } of wires) {
      if (source === node.name && (node.kind !== "register map" || isBelow(source, target))) take(nodes.find(({ name }) => name === target), node);
    }
  };
  for (const node of nodes) if (columnOf(node) === SOURCE) take(node, null);
  for (const node of nodes) take(node, null);
  return places;
}

function curve(from, to) {
  const [x, y, X, Y] = [from.x + from.width, from.y + NODE / 2, to.x, to.y + NODE / 2];
  const handle = Math.max(30, Math.min(90, (X - x) * 0.6));
  return `M${x} ${y}C${x + handle} ${y} ${X - handle} ${Y} ${X} ${Y}`;
}

function step(from, to) {
  const [x, y] = [from.x + 9, to.y + NODE / 2];
  return `M${x} ${from.y + NODE}V${y - 8}Q${x} ${y} ${x + 8} ${y}H${to.x}`;
}

// The first place where no other label and no node is.
function freePlace(candidates, { source, target }, taken, places) {
  return candidates.find(({ x, y }) => taken.every((other) => Math.abs(other.x - x) > 76 || Math.abs(other.y - y) > 23)
    && [...places].every(([name, node]) => {
      const margin = [source, target].includes(name) ? 40 : 90;
      return x + margin < node.x || x - margin > node.x + node.width || Math.abs(node.y + NODE / 2 - y) > 30;
    }));
}
