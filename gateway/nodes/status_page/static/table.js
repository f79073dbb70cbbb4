// Tables: their heads, rows that change in place, and the order of those that can be sorted.

import { h, scroller } from "./dom.js";
import { t } from "./texts.js";

// A table that scrolls in itself. `columns` are pairs of the key of a text and a class, or heads of `sorting`.
export function table(label, columns, rows, { kind = "", caption = null } = {}) {
  const heads = columns.map((column) => (Array.isArray(column) ? h("th", { scope: "col", class: column[1] }, t(column[0])) : column));
  return scroller(`div${kind}`, label, h("table", caption && h("caption", caption), h("thead", h("tr", heads)), h("tbody", rows)));
}

// The order of rows. Each column has a name, and `by`: a value to sort a row by, or several.
export function sorting(columns, first, show) {
  let [chosen, sign] = [first, 1];

  function head(tag, { name, by, kind, title = t(name) }, properties) {
    if (!by) return h(tag, { class: kind, ...properties }, title);
    const order = name !== chosen ? "none" : sign > 0 ? "ascending" : "descending";
    const sort = () => {
      [chosen, sign] = [name, name === chosen ? -sign : 1];
      show();
    };
    return h(tag, { class: kind, "aria-sort": order, ...properties }, h("button", { onclick: sort }, title));
  }

  return {
    heads: (tag, properties) => columns.map((column) => head(tag, column, properties)),
    sort(rows) {
      const { by } = columns.find(({ name }) => name === chosen);
      const keyed = rows.map((row) => [row, [by(row)].flat()]);
      return keyed.sort(([, one], [, other]) => sign * compare(one, other)).map(([row]) => row);
    },
  };
}

// Numbers come before texts.
function compare(one, other) {
  const at = one.findIndex((value, index) => value !== other[index]);
  if (at < 0) return 0;
  const [a, b] = [one[at], other[at]];
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a < b ? -1 : 1;
}
