// The flow as Node-RED draws it: nodes and wires with what passes over them, from the meters to the clients.
// A telegram, or the requests of a second, are a bead on each wire they pass. Beads are moved by `transform` alone: an
// `offset-path` costs half as much processor time again.

import { hostFacts, nameOf, valueWords } from "./clients.js";
import { card, facts, h, make, phone, render, s } from "./dom.js";
import { CLIENT_MARKS, mark, meterState } from "./marks.js";
import { ageWords, clock, detailName, labelText, moment, nodeLabel, number, t, valueText } from "./texts.js";

const [BEAD_MS, HOP_MS, BEAD_EVERY_MS] = [320, 240, 900];
const [IDLE_MS, IDLE_EVERY_MS] = [300_000, 5000]; // after so long without a pointer or a key, a bead comes seldom
const BEAD_STEPS = [0, 0.25, 0.5, 0.75, 1]; // of a wire
const CHANGES_SHOWN = 12;
const MARKS = { green: "fresh", yellow: "warning", red: "stale", grey: "never", blue: "simulated" };

const still = matchMedia("(prefers-reduced-motion: reduce)");
let usedAt = 0;
for (const kind of ["pointerdown", "pointermove", "keydown"]) addEventListener(kind, () => { usedAt = performance.now(); });

export function create(gateway) {
  const [boxes, over, element] = [h("div.nodes"), h("div"), h("div")].map(make);
  const drawing = make(h("section.flow", { "aria-label": t("flow_label") }, boxes, over));
  const drawer = make(h("section.drawer", { id: "details", popover: "auto", "aria-label": t("flow_details"),
    onbeforetoggle: ({ newState }) => { if (newState === "closed") choose(null); } }));
  const beadAt = new Map();
  let event = null;
  let stale = [];
  let chosen = null;
  let changes = null;
  let lastChange = -1;

  function update() {
    const isNew = gateway.event?.accepted && gateway.event !== event;
    const before = event?.accepted;
    if (isNew) event = gateway.event;
    if (!event) return;
    stale = staleMeters();
    const clients = event.clients.map((host) => ({ name: `client ${host.kind} ${host.host}`, kind: "client", label: nameOf(host), short: nameOf(host), host }));
    const nodes = new Map([...event.nodes, ...clients].map((node) => [node.name, node]));
    const wires = event.wires.map((wire) => ({ ...wire, key: `${wire.source} ${wire.target}`, isAlive: wire.is_alive && !stale.includes(wire.meter) }));
    // The style sheet places the nodes; the wires go from one to the other, wherever they are.
    render(boxes, event.places.map((place) => nodeOf(nodes.get(place.name), place, wires)));
    const places = new Map(event.places.map((place, index) => [place.name, { ...place, ...bodyOf(boxes.children[index]) }]));
    const drawn = wires.map((wire) => [wire, lineOf(wire, places)]).filter(([, line]) => line);
    render(over, s("svg.wires", drawn.map(([{ isAlive }, line]) => s("path.wire", { class: !isAlive && "dead", d: line }))),
      drawn.map(([{ key }]) => h("i.bead", { key })));
    render(element, headOf(event), drawing, event.more_clients > 0 && h("p.soft", t("hosts_more", { n: event.more_clients })), drawer, card("", t("flow_changes"), t("flow_newest_first"),
      h("ol.log", changes?.slice(0, CHANGES_SHOWN).map(changeItem), changes?.length === 0 && h("li.soft", t("flow_no_changes")))));
    if (nodes.has(chosen)) showDetails(nodes.get(chosen), places.get(chosen));
    else if (chosen) drawer.hidePopover();
    if (isNew && before && !gateway.isLost) pulse(drawn, before, places);
  }

  // By the page's own clock, so that no event is needed.
  function staleMeters() {
    return event.meters.filter((meter) => !meterState(meter, gateway.elapsed(), false).isServed).map(({ name }) => name);
  }

  function nodeOf(node, { column, row, depth }, wires) {
    const { state, word, text } = statusOf(node);
    const kind = node.kind.toLowerCase().replace(/[^a-z0-9]+/g, "-");
    const isBeside = ({ source, target, shows }) => shows && node.name === (shows === "requests" ? source : target);
    return h("button.node", {
      "data-node": node.name, key: node.name, style: { "--column": column, "--row": row, "--depth": depth }, title: text,
      "aria-label": `${nodeLabel(node)}: ${word}, ${text}`, "aria-expanded": node.name === chosen,
      popovertarget: "details", popovertargetaction: "show", onclick: () => choose(node.name),
    },
    h(`span.body.kind-${kind}`, s("svg.glyph", s("use", { href: `#glyph-${kind}` })),
      h("span.label", nodeLabel({ ...node, label: node.short }))),
    h("span.text", mark(gateway.isLost ? "stale" : state), h("span", text)), wires.filter(isBeside).map(wireLabel));
  }

  // What passes over a wire is beside the node at that end which has no other wire with a label.
  function wireLabel({ meter, isAlive, shows, per_s: rate, power_w: power, unit }) {
    const isUnsent = event.meters.some(({ name, telegrams }) => name === meter && !telegrams);
    const isSilent = !isAlive && unit === "telegrams";
    const [value, digits] = shows === "power" ? [power, 0] : [rate, 1];
    if (isSilent ? shows !== "telegrams" : value === null) return null;
    const text = !isSilent ? t(`flow_${shows}`, { n: number(value, digits) }) : isUnsent ? "—" : t("flow_stale");
    return h(`span.wire-label.live.${shows === "requests" ? "out" : "into"}`, { class: !isAlive && !isUnsent && "off" }, text);
  }

  // Among many meters, the one of the drawing is chosen in Fleet.
  function headOf({ meters }) {
    const flows = !stale.length;
    const words = gateway.isLost ? t("state_lost") : flows ? t(meters.length > 1 ? "flow_all_flow" : "flow_one_flows", { meter: meters[0]?.name })
      : t(stale.length < meters.length ? "flow_some_stale" : "flow_all_stale", { names: stale.join(", ") });
    return h("p.tools", mark(gateway.isLost || !flows ? "stale" : "fresh"), words);
  }

  // A bead on each wire that a new telegram passes, each hop after the one before, and one for the requests of a second.
  function pulse(drawn, counts, places) {
    if (still.matches) return;
    const now = performance.now();
    const every = now - usedAt > IDLE_MS ? IDLE_EVERY_MS : BEAD_EVERY_MS;
    const [lines, beads] = [".wire", ".bead"].map((each) => over.querySelectorAll(each));
    drawn.forEach(([{ key, source, unit, meter, per_s: rate, isAlive }], index) => {
      const isRequest = unit === "requests";
      const isPassed = isRequest ? rate > 0 : event.accepted[meter] > counts[meter];
      if (!isPassed || !isAlive || now - (beadAt.get(key) ?? -Infinity) < every) return;
      beadAt.set(key, now);
      const line = lines[index];
      const frames = BEAD_STEPS.map((share) => line.getPointAtLength(share * line.getTotalLength()))
        .map(({ x, y }) => ({ transform: `translate(${x}px, ${y}px)`, opacity: 1 }));
      beads[index].animate(frames, { duration: BEAD_MS, delay: isRequest ? 0 : (places.get(source).column - 1) * HOP_MS });
    });
  }

  function choose(name) {
    chosen = name;
    update();
  }

  // The details of a node, on the side away from it. The browser opens and closes them.
  function showDetails(node, { x }) {
    const { word, text } = statusOf(node);
    drawer.classList.toggle("left", x > drawing.clientWidth / 2);
    render(drawer, h("div.hd", h("h2", { tabindex: -1, autofocus: "" }, nodeLabel(node)), h("span.grow"),
      h("button.icon", { popovertarget: "details", "aria-label": t("flow_close") }, "✕")),
    h("p", `${word}: ${text}`), facts(".live", node.host ? clientFacts(node.host, gateway.now()) : nodeFacts(node)));
  }

  const observer = new ResizeObserver(update);
  observer.observe(drawing);
  return {
    element,
    stream: { view: "flow", meter: gateway.meterName },
    update,
    beat() { if (event && `${staleMeters()}` !== `${stale}`) update(); },
    async refresh() {
      if (!event || event.changes === lastChange) return;
      lastChange = event.changes;
      ({ changes } = await gateway.get("api/changes"));
      update();
    },
    close: () => observer.disconnect(),
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

function clientFacts(host, now) {
  return [...hostFacts(host, now), [t("server"), host.servers.join(", ")], [t("map"), host.map], [t("errors"), number(host.errors)]];
}

function nodeFacts({ since, details }) {
  const shown = Object.entries(details).map(([name, value]) => [detailName(name), name === "on_stale" ? t(`on_stale_${value}`) : valueText(value)]);
  return [[t("flow_since"), moment(since)], ...shown];
}

function changeItem({ at, kind, colour, subject, seconds, label, values }) {
  const text = t(`change_${kind}`, { subject, after: seconds === null ? "" : ageWords(seconds), reason: label && `: ${labelText(label)}`, ...values });
  return h("li", h("span.soft.nowrap", clock(at)), mark(MARKS[colour]), h("span", text));
}

// The body of a node in the drawing, in pixels.
function bodyOf({ offsetLeft: x, offsetTop: top, firstChild: { offsetWidth: width, offsetHeight: height } }) {
  return { x, y: top + height / 2, right: x + width, bottom: top + height };
}

// The line of a wire. On a phone, the nodes are in one column, and each has only the wire from the node above that feeds it.
function lineOf({ source, target }, places) {
  const [from, to] = [places.get(source), places.get(target)];
  if (phone.matches) return to.parent === source && `M${from.x + 9} ${from.bottom}V${to.y - 8}q0 8 8 8H${to.x}`;
  const handle = Math.max(30, Math.min(90, (to.x - from.right) * 0.6));
  return `M${from.right} ${from.y}C${from.right + handle} ${from.y} ${to.x - handle} ${to.y} ${to.x} ${to.y}`;
}
