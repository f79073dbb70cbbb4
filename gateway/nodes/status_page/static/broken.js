// Problems and warnings of the configuration: what to change, in the lines of the file itself.

import { h, scroller } from "./dom.js";
import { problemText, t } from "./texts.js";

// What is shown in the place of the views that need a meter, while nothing is served.
export function create() {
  return { element: h("div", h("section.card", h("p", t("broken_safe")), h("p.soft", t("broken_restart")))), update() {} };
}

export function problemItem(isOpen) {
  return (problem) => {
    const { file, line, column, lines, path } = problem;
    const { translation, english } = problemText(problem);
    const place = [line ? `${file.split("/").at(-1)}:${line}:${column}` : file, path].filter(Boolean).join(" · ");
    return h("details.fault", { open: isOpen }, h("summary", h("b", translation ?? english), " ", h("span.soft.mono", place)),
      translation && h("p.soft", { lang: "en" }, english),
      lines.length > 0 && scroller("div", place, h("ol.mono", lines.map((each) => sourceLine(each, problem)))));
  };
}

// A line of the file under its number, with what is wrong in it marked.
function sourceLine({ number: at, text }, { line, column, length }) {
  const begin = Math.max(0, column - 1);
  const end = begin + Math.max(1, length);
  return h("li", { value: at, class: at === line && "wrong" },
    at === line ? [text.slice(0, begin), h("mark", text.slice(begin, end) || " "), text.slice(end)] : text);
}
