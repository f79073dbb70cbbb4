// The page's texts in the chosen language; numbers and times as that language writes them.

const LANGUAGES = ["en", "nl"];
const OWN_SYMBOLS = { group: "\u202f", minusSign: "−" };
let texts = { page: {} };
export let language = "en";
let locale = "en"; // the visitor's own kind of the language, such as British English
const formats = new Map();

export function preferredLanguage() {
  const wanted = [localStorage.getItem("language"), ...navigator.languages.map((each) => each.slice(0, 2))];
  return wanted.find((each) => LANGUAGES.includes(each)) ?? "en";
}

export async function setLanguage(wanted) {
  texts = await (await fetch(`static/texts/${wanted}.json`)).json();
  language = wanted;
  locale = navigator.languages.find((each) => each.startsWith(wanted)) ?? wanted;
  formats.clear();
  document.documentElement.lang = wanted;
}

// The text of a key. A number `n` is written as one; for a single one, the text can have another form.
export function t(key, { n, ...values } = {}) {
  const single = n === 1 && texts.page[`${key}_one`];
  return fill(single || (texts.page[key] ?? key), { ...values, n: typeof n === "number" ? number(n) : n });
}

// The label of a node: the name of its kind and, where there are several of that kind, what tells them apart.
export function nodeLabel({ kind, label }) {
  const translation = texts.kinds[kind];
  return translation && label.startsWith(kind) ? translation + label.slice(kind.length) : label;
}

// A title from the data: of a map, a meter, a client. One of the visitor, or a name, has no translation.
export function titleOf(title) {
  return texts.titles[title] ?? title;
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
  return translation ? fill(translation, values, valueText) : text;
}

// A problem of the configuration: its text in the page's language by its code, and the English sentence with the hint,
// which has the details too.
export function problemText({ code, what, hint, values }) {
  const translation = texts.problems[code] ?? texts.labels[code];
  return {
    translation: translation && fill(translation, values),
    english: hint ? `${what}. ${hint}` : what,
  };
}

// What a client got if it got no values, else null.
export function insteadOfValues({ is_answered: isAnswered, exception }) {
  if (!isAnswered) return t("no_response");
  return exception === null ? null : t("exception", { code: exception.toString(16).toUpperCase().padStart(2, "0") });
}

// A value of a register: the names of the bits that are set, a time, or a number with its unit.
export function inWords({ value, unit, bits, unix_time: time }) {
  if (value === null) return "—";
  if (bits?.length) return bits.map((bit) => (bit.startsWith("gateway_") ? t(`bit_${bit.slice(8)}`) : bit)).join(", ");
  return (time ?? null) === null ? [`${value}`.replace(/^-(?=\d)/, "−"), unit].filter(Boolean).join(" ") : moment(time);
}

// Numbers without a fraction stay as they are: they can be ports.
export function valueText(value) {
  if (value === null) return "—";
  if (typeof value === "object") return labelText(value);
  return typeof value === "string" ? titleOf(value) : Number.isInteger(value) ? `${value}` : number(value, 1);
}

function fill(text, values, shown = (value) => value ?? "") {
  return text.replace(/\{(\w+)\}/g, (_, name) => shown(values[name]));
}

// A format is made once, since that takes longer than to use it a hundred times.
function formatOf(Kind, options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Kind(locale, options));
  return formats.get(key);
}

// With so many digits after the point and a true minus, a dash for what is not known; thousands have a thin space from 10,000 on.
export function number(value, digits = 0, signDisplay = "negative") {
  if (!Number.isFinite(value)) return "—";
  const format = formatOf(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: "min2", signDisplay });
  return format.formatToParts(value).map(({ type, value: part }) => OWN_SYMBOLS[type] ?? part).join("");
}

// With the sign of a direction: also a plus.
export function signed(value, digits) {
  return number(value, digits, "exceptZero");
}

// An age that is looked at while it grows: 0.4 s, 47 s, 4 min 12 s, 3 h 05 min.
export function ageWords(seconds) {
  if (seconds === null) return "—";
  if (seconds < 99.5) return t("age_s", { n: number(seconds, seconds < 9.95 ? 1 : 0) });
  const twoDigits = (value) => String(Math.floor(value)).padStart(2, "0");
  if (seconds < 3600) return t("age_min_s", { min: Math.floor(seconds / 60), s: twoDigits(seconds % 60) });
  if (seconds < 172_800) return t("age_h_min", { h: Math.floor(seconds / 3600), min: twoDigits((seconds / 60) % 60) });
  return t("age_d", { n: seconds / 86_400 });
}

const timeAs = (options) => (unix) => formatOf(Intl.DateTimeFormat, options).format(new Date(unix * 1000));
const TO_MINUTES = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
export const hours = timeAs(TO_MINUTES);
export const dayTime = timeAs({ day: "numeric", month: "short", ...TO_MINUTES });
export const clock = timeAs({ timeStyle: "medium" });
export const moment = timeAs({ dateStyle: "short", timeStyle: "medium" });

// A length of time that is configured: 5 s, 2.5 s, 2 min.
export function span(seconds) {
  return seconds < 120 ? t("age_s", { n: number(seconds, seconds % 1 ? 1 : 0) }) : ageWords(seconds);
}
