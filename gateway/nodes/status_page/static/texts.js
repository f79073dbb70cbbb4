// The page's texts in the chosen language; numbers and times as that language writes them.

const LANGUAGES = ["en", "nl"];
let texts = { page: {}, kinds: {}, details: {}, labels: {}, problems: {} };
export let language = "en";
let locale = "en"; // the visitor's own kind of the language, such as British English
const formats = new Map();

export function preferredLanguage() {
  const kept = localStorage.getItem("language");
  if (LANGUAGES.includes(kept)) return kept;
  return navigator.languages.map((each) => each.slice(0, 2)).find((each) => LANGUAGES.includes(each)) ?? "en";
}

export async function setLanguage(wanted) {
  texts = await (await fetch(`static/texts/${wanted}.json`)).json();
  language = wanted;
  locale = navigator.languages.find((each) => each.startsWith(wanted)) ?? wanted;
  formats.clear();
  document.documentElement.lang = wanted;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
}

export function t(key, values = {}) {
  return fill(texts.page[key] ?? key, values);
}

// The label of a node: the name of its kind and, where there are several of that kind, what tells them apart.
export function nodeLabel({ kind, label }) {
  const translation = texts.kinds[kind];
  return translation && label.startsWith(kind) ? translation + label.slice(kind.length) : label;
}

// The name of a detail of a node, such as a counter. A counter per reason has the reason in brackets.
export function detailName(key) {
  const [name, reason] = key.split(" (");
  const text = texts.details[name] ?? name.replaceAll("_", " ");
  return reason ? `${text} (${refusal(reason.slice(0, -1))})` : text;
}

export function refusal(reason) {
  return texts.page[`refused_${reason.replaceAll(" ", "_")}`] ?? reason;
}

// A text of the gateway by its code. The gateway sends the English text with it, for a code without a translation.
export function labelText({ code, values, text }) {
  const translation = texts.labels[code];
  if (!translation) return text;
  const shown = Object.entries(values).map(([name, value]) => [name, valueText(value)]);
  return fill(translation, Object.fromEntries(shown));
}

// A problem of the configuration: its place, its text in the page's language by its code, and the English sentence
// with the hint, which has the details too.
export function problemText({ code, file, line, column, path, what, hint, values }) {
  const position = line ? `${file}:${line}:${column}` : file;
  const translation = texts.problems[code] ?? texts.labels[code];
  return {
    place: [position, path].filter(Boolean).map((each) => `${each}: `).join(""),
    translation: translation && fill(translation, values),
    english: hint ? `${what}. ${hint}` : what,
  };
}

export function exceptionText(code) {
  return t("exception", { code: code.toString(16).toUpperCase().padStart(2, "0") });
}

export function bitWords(bits) {
  return bits.map((bit) => (bit.startsWith("gateway_") ? t(`bit_${bit.slice(8)}`) : bit)).join(", ");
}

// Numbers without a fraction stay as they are: they can be ports.
export function valueText(value) {
  if (value === null) return "—";
  if (typeof value === "object") return labelText(value);
  return Number.isInteger(value) || typeof value === "string" ? String(value) : number(value, 1);
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// A format is made once, since that takes longer than to use it a hundred times.
function formatOf(Kind, options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Kind(locale, options));
  return formats.get(key);
}

export function number(value, digits = 0) {
  return formatOf(Intl.NumberFormat, { maximumFractionDigits: digits }).format(value);
}

// A number of the gateway, with a true minus.
export function minus(text) {
  return `${text}`.replace(/^-(?=\d)/, "−");
}

// With the sign of a direction: a true minus, and a plus.
export function signed(value, digits = 0) {
  const text = fixed(Math.abs(value), digits);
  if (Number(Math.abs(value).toFixed(digits)) === 0) return text;
  return (value < 0 ? "−" : "+") + text;
}

// With so many digits after the point; thousands have a thin space from 10,000 on.
export function fixed(value, digits = 0) {
  const format = formatOf(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits,
    useGrouping: Math.abs(value) >= 10_000 });
  return format.formatToParts(value).map(({ type, value: part }) => (type === "group" ? "\u202f" : type === "minusSign" ? "−" : part)).join("");
}

// An age that is looked at while it grows: 0.4 s, 47 s, 4 min 12 s, 3 h 05 min.
export function ageWords(seconds) {
  if (seconds === null) return "—";
  if (seconds < 9.95) return t("age_s", { n: fixed(seconds, 1) });
  if (seconds < 99.5) return t("age_s", { n: fixed(seconds) });
  const [minutes, rest] = [Math.floor(seconds / 60), String(Math.floor(seconds % 60)).padStart(2, "0")];
  if (seconds < 3600) return t("age_min_s", { min: minutes, s: rest });
  if (seconds < 172_800) return t("age_h_min", { h: Math.floor(seconds / 3600), min: String(minutes % 60).padStart(2, "0") });
  return t("age_d", { n: fixed(seconds / 86400) });
}

const timeAs = (options) => (unix) => formatOf(Intl.DateTimeFormat, options).format(new Date(unix * 1000));
const TO_MINUTES = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
export const hours = timeAs(TO_MINUTES);
export const dayTime = timeAs({ day: "numeric", month: "short", ...TO_MINUTES });
export const clock = timeAs({ timeStyle: "medium" });
export const moment = timeAs({ dateStyle: "short", timeStyle: "medium" });

// A length of time that is configured: 5 s, 2.5 s, 2 min.
export function span(seconds) {
  return seconds < 120 ? t("age_s", { n: number(seconds, 1) }) : ageWords(seconds);
}
