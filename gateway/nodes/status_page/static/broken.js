// A configuration that cannot be used: what to change, in the lines of the file itself.

import { h } from "./dom.js";
import { mark } from "./marks.js";
import { language, number, problemText, t } from "./texts.js";

export function create(gateway) {
  const title = h("h2", {});
  const faults = h("div", {});
  const element = h("div", { class: "broken" },
    h("div", { class: "bar" }, mark("stale"), h("h1", {}, t("broken_title"))),
    h("section", { class: "card" }, h("p", {}, t("broken_safe")), h("p", { class: "soft" }, t("broken_restart"))),
    h("section", { class: "card" }, title, faults));
  let shown = "";

  return {
    element,
    update() {
      const { problems } = gateway.event;
      const key = JSON.stringify([language, problems]);
      if (!problems || key === shown) return;
      shown = key;
      title.textContent = t(problems.length === 1 ? "broken_count_one" : "broken_count", { n: number(problems.length) });
      faults.replaceChildren(...problems.map(fault));
    },
  };
}

function fault(problem) {
  const { file, line, column, lines, length, path } = problem;
  const { translation, english } = problemText(problem);
  const name = file.split("/").at(-1);
  return h("article", { class: "fault" },
    h("p", { class: "fault-head" }, h("b", {}, translation ?? english), h("span", { class: "soft mono small" }, [line ? `${name}:${line}:${column}` : file, path].filter(Boolean).join(" · "))),
    translation ? h("p", { class: "soft fault-more", lang: "en" }, english) : null,
    lines.length ? h("pre", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${name}:${line}` }, lines.flatMap((each) => sourceLine(each, line, column, length))) : null);
}

function sourceLine({ number: at, text }, line, column, length) {
  const margin = (shown) => h("span", { class: "no", "aria-hidden": "true" }, `${String(shown).padStart(4)}  `);
  if (at !== line) return [margin(at), `${text}\n`];
  return [h("mark", {}, margin(at), text), "\n", margin(""), h("span", { class: "caret", "aria-hidden": "true" }, `${" ".repeat(Math.max(0, column - 1))}${"^".repeat(Math.max(1, length))}`), "\n"];
}
