// What a view shows is a tree of descriptions: `h("p.soft", properties, ...children)`. `render` compares it with what it
// described before and changes only what differs. What stays keeps its focus, its selection and its scroll position.

import { t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
export const phone = matchMedia("(max-width: 900px)"); // as in the style sheet

export const h = (tag, ...rest) => describe(null, tag, rest);
export const s = (tag, ...rest) => describe(SVG, tag, rest);

// `key` tells an element from others of its kind wherever it is. Null and false are left out, of properties as of children.
// A drawing without a label is hidden from screen readers.
function describe(namespace, tag, [first, ...rest]) {
  const hasProperties = first?.constructor === Object && !first.children;
  const [name, ...classes] = tag.split(".");
  const { key, ...properties } = hasProperties ? first : {};
  if (properties.class) classes.push(properties.class);
  if (classes.length) properties.class = classes.join(" ");
  if (name === "button") properties.type = "button";
  if (name === "svg") Object.assign(properties, properties["aria-label"] ? { role: "img" } : { "aria-hidden": "true" });
  return { namespace, name, key, properties, children: shown(hasProperties ? rest : [first, ...rest]) };
}

const isShown = (value) => ![null, undefined, false].includes(value);
const shown = (children) => children.flat(Infinity).filter(isShown);

// The words of descriptions, for a screen reader.
export function textOf(parts) {
  return shown([parts]).map((part) => (part.children ? textOf(part.children) : part)).join(" ");
}

// An element that its maker fills; `render` puts it in its place and leaves what is in it.
export function make(description) {
  return Object.assign(create(description), { isOwned: true });
}

function create(wanted) {
  if (typeof wanted !== "object") return new Text(wanted);
  const { namespace, name, properties, children } = wanted;
  const node = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
  node.append(...children.map((child) => (child instanceof Node ? child : create(child))));
  for (const [key, value] of Object.entries(properties)) set(node, key, value);
  node.description = wanted;
  return node;
}

function set(node, name, value) {
  if (name.startsWith("on") || isLive(name)) node[name] = value ?? null;
  else if (name === "style" && value) for (const [property, text] of Object.entries(value)) node.style.setProperty(property, text);
  else if (name.startsWith("aria-") && value === false) node.setAttribute(name, value);
  else if (isShown(value)) node.setAttribute(name, value);
  else node.removeAttribute(name);
}

// A visitor changes these properties too.
function isLive(name) {
  return name === "value" || name === "checked";
}

export function render(parent, ...wanted) {
  const focused = document.activeElement;
  replaceChildren(parent, shown(wanted));
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

// A child with a key is found again wherever it was; others are compared with what is at their place.
function replaceChildren(parent, wanted) {
  const keyed = new Map();
  for (const child of parent.childNodes) if (child.description?.key !== undefined) keyed.set(child.description.key, child);
  let place = parent.firstChild;
  for (const child of wanted) {
    const known = child instanceof Node ? child : keyed.get(child.key) ?? place;
    const isAlike = known === child || (known && fits(known, child));
    if (isAlike) patch(known, child);
    if (isAlike && known === place) place = place.nextSibling;
    else parent.insertBefore(isAlike ? known : create(child), place);
  }
  while (place) {
    const following = place.nextSibling;
    place.remove();
    place = following;
  }
}

function fits({ isOwned, description }, child) {
  return !isOwned && description?.name === child.name && description?.key === child.key;
}

function patch(node, wanted) {
  const { description } = node;
  if (node === wanted || description === wanted) return;
  if (node instanceof Text) {
    if (node.data !== String(wanted)) node.data = wanted;
    return;
  }
  node.description = wanted;
  replaceChildren(node, wanted.children);
  for (const name of Object.keys({ ...description.properties, ...wanted.properties })) {
    const [before, value] = [(isLive(name) ? node : description.properties)[name], wanted.properties[name]];
    if (before !== value) set(node, name, value);
  }
}

// Returns a function that makes a description again only when its key changes: drawings of many points are expensive.
export function memo() {
  let [key, description] = [null, null];
  return (parts, describe) => {
    const wanted = JSON.stringify(parts);
    if (wanted !== key) [key, description] = [wanted, describe()];
    return description;
  };
}

export function copyButton(text, label = t("copy"), properties = {}) {
  return h("button", { ...properties, onclick: ({ currentTarget }) => text() && copy(text(), currentTarget) }, label);
}

// Without https a browser offers no `navigator.clipboard`, but each copies a selection.
function copy(text, button) {
  const area = make(h("textarea", { readonly: true, "aria-hidden": "true" }, text));
  button.after(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  button.focus();
  button.dataset.copied = t("copied");
  setTimeout(() => delete button.dataset.copied, 1500);
}

// An option is its text, or a pair of a value and a text.
export function select(label, options, chosen, onchange) {
  return h("label", `${label} `, h("select", { value: chosen, onchange: ({ target }) => onchange(target.value) },
    options.map((option) => [option].flat()).map(([value, text = value]) => h("option", { value }, text))));
}

export function checkbox(label, checked, onchange) {
  return h("label", h("input", { type: "checkbox", checked, onchange: ({ target }) => onchange(target.checked) }), ` ${label}`);
}

export function searchField(value, oninput, properties = {}) {
  return h("input", { type: "search", accesskey: "/", value, oninput: ({ target }) => oninput(target.value), ...properties });
}

// Buttons of which one is pressed; `choices` are pairs of a name and what is on the button.
export function segments(label, choices, chosen, choose) {
  return h("span.seg", { role: "group", "aria-label": label },
    choices.map(([name, content]) => h("button", { "aria-pressed": name === chosen, onclick: () => choose(name) }, content)));
}

// A card with a heading; beside it is a note, or other elements.
export function card(kind, title, note, ...content) {
  return h(`section.card${kind}`, h("div.hd", h("h2", title), typeof note === "string" ? h("span.grow.soft.small", note) : note), content);
}

// A part that scrolls in itself, also by keyboard.
export function scroller(tag, label, ...content) {
  return h(`${tag}.scroll`, { tabindex: 0, role: "region", "aria-label": label }, content);
}

// Terms with their values, those without a value left out.
export function facts(kind, pairs) {
  return h(`dl${kind}`, pairs.filter(([, value]) => isShown(value)).map(([name, ...value]) => [h("dt", name), h("dd", value)]));
}

// A table that scrolls in itself. A column has the key of a text, a class, and what a cell shows of an item. `rowOf` returns
// the properties of the row of an item.
export function table(label, columns, items, { kind = "", caption, body, rowOf = () => ({}) } = {}) {
  const head = ([name, kindOf]) => h("th", { scope: "col", class: kindOf }, t(name));
  const row = (item) => h("tr", rowOf(item), columns.map(([name, kindOf, content]) => h("td", { class: kindOf, "data-name": t(name) }, content(item))));
  return scroller(`div${kind}`, label, h("table", caption && h("caption", caption),
    h("thead", h("tr", columns.map(head))), h("tbody", { class: body }, items.map(row))));
}
