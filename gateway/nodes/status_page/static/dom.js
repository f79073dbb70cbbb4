// Elements from a tag with its classes ("p.soft"), properties and children; `render` changes only what differs.

import { t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const BY_USER = ["style", "open"]; // attributes that `patch` leaves: the policy of the page forbids one, the visitor changes the other

export const h = (tag, ...rest) => make((name) => document.createElement(name), tag, rest);
export const s = (tag, ...rest) => make((name) => document.createElementNS(SVG, name), tag, rest);

// Null and false are left out, of properties as of children. A handler is a property, so that `patch` can pass it on.
function make(create, tag, [first, ...rest]) {
  const [name, ...classes] = tag.split(".");
  const element = create(name);
  const hasProperties = first?.constructor === Object;
  const properties = { ...(name === "button" && { type: "button" }), ...(hasProperties && first) };
  properties.class = [...classes, properties.class].filter(Boolean).join(" ") || null;
  element.handlers = {};
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.handlers[key] = element[key] = value;
    else if (key === "style") Object.assign(element.style, value);
    else if (key.startsWith("aria-") ? value !== null : isShown(value)) element.setAttribute(key, value === true && !key.startsWith("aria-") ? "" : value);
  }
  element.append(...shown(hasProperties ? rest : [first, ...rest]));
  return element;
}

function isShown(value) {
  return value !== null && value !== undefined && value !== false;
}

function shown(children) {
  return children.flat(Infinity).filter(isShown);
}

// Makes the children of an element equal to those that are wanted. What stays keeps its focus, selection and scroll position.
export function render(parent, ...wanted) {
  const focused = document.activeElement;
  replaceChildren(parent, shown(wanted).map((child) => (child instanceof Node ? child : new Text(child))));
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

// A child with `data-key` is found again wherever it was; others are compared with what is at their place.
function replaceChildren(parent, wanted) {
  const keyed = new Map([...parent.children].filter(({ dataset }) => dataset.key).map((child) => [child.dataset.key, child]));
  let place = parent.firstChild;
  for (const child of wanted) {
    const known = child.parentNode === parent ? child : keyed.get(child.dataset?.key) ?? place;
    const isAlike = known?.nodeName === child.nodeName && known.dataset?.key === child.dataset?.key;
    if (isAlike) patch(known, child);
    if (isAlike && known === place) place = place.nextSibling;
    else parent.insertBefore(isAlike ? known : child, place);
  }
  while (place) {
    const following = place.nextSibling;
    place.remove();
    place = following;
  }
}

function patch(old, wanted) {
  if (old === wanted || old.isKept) return;
  if (old instanceof Text) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  const names = new Set([...old.getAttributeNames(), ...wanted.getAttributeNames()]);
  for (const name of names) {
    const value = wanted.getAttribute(name);
    if (BY_USER.includes(name) || old.getAttribute(name) === value) continue;
    if (value === null) old.removeAttribute(name);
    else old.setAttribute(name, value);
  }
  if (old.style.cssText !== wanted.style.cssText) old.style.cssText = wanted.style.cssText;
  for (const name of Object.keys({ ...old.handlers, ...wanted.handlers })) old[name] = wanted.handlers?.[name] ?? null;
  old.handlers = wanted.handlers;
  replaceChildren(old, [...wanted.childNodes]);
  for (const name of ["value", "checked"]) if (name in old && old[name] !== wanted[name]) old[name] = wanted[name];
}

// Returns a function that makes a tree again only when its key changes: drawings of many points are expensive.
export function memo() {
  let [key, tree] = [null, null];
  return (parts, create) => {
    const wanted = JSON.stringify(parts);
    if (wanted !== key) [key, tree] = [wanted, create()];
    return tree.cloneNode(true);
  };
}

// Properties with which an element acts as a button, also for the keyboard.
export function pressable(action) {
  return {
    role: "button", tabindex: 0, onclick: action,
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      action(event);
    },
  };
}

// A button that copies what `text` returns, if there is any.
export function copyButton(text, label = t("copy"), properties = {}) {
  return h("button", { ...properties, onclick: ({ currentTarget }) => text() && copy(text(), currentTarget) }, label);
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https a browser offers no clipboard, but it copies a selection.
    const area = h("textarea", { readonly: true, "aria-hidden": "true" }, text);
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  if (button.isKept) return;
  const label = button.textContent;
  button.isKept = true;
  button.textContent = t("copied");
  setTimeout(() => {
    button.textContent = label;
    button.isKept = false;
  }, 1500);
}

// `options` are pairs of a value and its text.
export function dropdown(options, chosen, onchange, properties = {}) {
  return h("select", { onchange: ({ target }) => onchange(target.value), ...properties }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
}

export function select(label, ...rest) {
  return h("label", `${label} `, dropdown(...rest));
}

export function checkbox(label, checked, onchange) {
  return h("label", h("input", { type: "checkbox", checked, onchange: ({ target }) => onchange(target.checked) }), ` ${label}`);
}

// The field that "/" on the keyboard goes to; see `app.js`.
export function searchField(value, oninput, properties = {}) {
  return h("input", { type: "search", id: "search", value, oninput: ({ target }) => oninput(target.value), ...properties });
}

// Buttons of which one is pressed; `choices` are pairs of a name and what is on the button.
export function segments(label, choices, chosen, choose) {
  return h("span.seg", { role: "group", "aria-label": label },
    choices.map(([name, content]) => h("button", { "aria-pressed": name === chosen, onclick: () => choose(name) }, content)));
}

export function chip(content, isPressed, onclick, properties = {}) {
  return h("button.chip", { "aria-pressed": isPressed, onclick, ...properties }, content);
}

// A card with a heading; `notes` are beside it.
export function card(kind, title, notes, ...content) {
  return h(`section.card${kind}`, h("div.hd", h("h2", title), notes), content);
}

// Terms with their values, those without a value left out.
export function facts(kind, pairs) {
  return h(`dl${kind}`, pairs.filter(([, value]) => isShown(value)).map(([name, ...value]) => [h("dt", name), h("dd", value)]));
}
