// The page's words in the language chosen; numbers and times as that language writes them.

const LANGUAGES = ["en", "nl"];
let words = {};
let patterns = [];
export let language = "en";

export function preferredLanguage() {
  const kept = localStorage.getItem("language");
  if (LANGUAGES.includes(kept)) return kept;
  return navigator.languages.map((each) => each.slice(0, 2)).find((each) => LANGUAGES.includes(each)) ?? "en";
}

export async function speak(wanted) {
  const loaded = await (await fetch(`static/words/${wanted}.json`)).json();
  language = wanted;
  words = loaded.words;
  patterns = loaded.status.map(([pattern, said]) => [new RegExp(pattern), said]);
  document.documentElement.lang = wanted;
  for (const element of document.querySelectorAll("[data-words]")) element.textContent = t(element.dataset.words);
  for (const element of document.querySelectorAll("[data-words-label]"))
    element.setAttribute("aria-label", t(element.dataset.wordsLabel));
}

export function t(key, values = {}) {
  return (words[key] ?? key.replaceAll("_", " ")).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// What the gateway says under a node, in its own words.
export function status(text) {
  for (const [pattern, said] of patterns) {
    const found = pattern.exec(text);
    if (found) return said.replace(/\$(\d)/g, (_, group) => status(found[group]));
  }
  return text;
}

// The visitor's own kind of the language, such as British English.
function locale() {
  return navigator.languages.find((each) => each.startsWith(language)) ?? language;
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

export function clock(unix) {
  return new Intl.DateTimeFormat(locale(), { timeStyle: "medium" }).format(new Date(unix * 1000));
}

export function moment(unix) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "short", timeStyle: "medium" }).format(new Date(unix * 1000));
}

export function age(seconds) {
  if (seconds === null || seconds === undefined) return "—";
  if (seconds < 10) return t("age_s", { n: number(seconds, 1) });
  if (seconds < 120) return t("age_s", { n: number(seconds) });
  if (seconds < 7200) return t("age_min", { n: number(seconds / 60) });
  if (seconds < 172800) return t("age_h", { n: number(seconds / 3600) });
  return t("age_d", { n: number(seconds / 86400) });
}
