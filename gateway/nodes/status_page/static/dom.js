// Makes elements from a tag, properties and children; null is left out. A button sends no form.

import { t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), tag === "button" ? { type: "button", ...properties } : properties, children);
}

export function s(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Properties with which an element acts as a button, also for the keyboard.
export function pressable(action) {
  return {
    tabindex: 0,
    onclick: action,
    onkeydown: (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        action(event);
      }
    },
  };
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A button that copies what `text` returns, if there is any.
export function copyButton(text, label = t("copy"), properties = {}) {
  const button = h("button", { ...properties, onclick: () => text() && copy(text(), button) }, label);
  return button;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https a browser offers no clipboard, but it copies a selection.
    const area = h("textarea", { readonly: true, "aria-hidden": "true" });
    area.value = text;
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  const label = button.textContent;
  button.textContent = t("copied");
  setTimeout(() => { button.textContent = label; }, 1500);
}

export function select(label, options, chosen, onchange) {
  const field = h("select", { onchange: () => onchange(field.value) },
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
  return h("label", {}, `${label} `, field);
}

export function checkbox(label, checked, onchange) {
  const field = h("input", { type: "checkbox", checked, onchange: () => onchange(field.checked) });
  return h("label", {}, field, ` ${label}`);
}
