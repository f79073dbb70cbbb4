// A configuration that cannot be used: what to change, in the lines of the file itself.

import { card, h, make, render, scroller } from "./dom.js";
import { mark } from "./marks.js";
import { number, problemText, t } from "./texts.js";

export function create(gateway) {
  const element = make(h("div.broken"));
  return {
    element,
    update() {
      const { problems } = gateway.event;
      const title = t("broken_count", { n: problems.length });
      render(element, h("div.bar", mark("stale"), h("h1", t("broken_title"))),
        h("section.card", h("p", t("broken_safe")), h("p.soft", t("broken_restart"))),
        card("", title, null, problems.map(fault)));
    },
  };
}

function fault(problem) {
  const { file, line, lines, path } = problem;
  const { translation, english } = problemText(problem);
  const name = file.split("/").at(-1);
  return h("article.fault",
    h("p.fault-head", h("b", translation ?? english),
      h("span.soft.mono.small", [line ? `${name}:${line}:${problem.column}` : file, path].filter(Boolean).join(" · "))),
    translation && h("p.soft.fault-more", { lang: "en" }, english),
    lines.length > 0 && scroller("div", `${name}:${line}`, h("ol.mono", lines.map((each) => sourceLine(each, problem)))));
}

// A line of the file under its number, with what is wrong in it marked.
function sourceLine({ number: at, text }, { line, column, length }) {
  const begin = Math.max(0, column - 1);
  const end = begin + Math.max(1, length);
  return h("li", { value: at, class: at === line && "wrong" },
    at === line ? [text.slice(0, begin), h("mark", text.slice(begin, end) || " "), text.slice(end)] : text);
}
