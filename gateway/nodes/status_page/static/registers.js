// The registers of a unit as a client reads them now, beside the telegram that their values come from.

import { checkbox, h, select, setText } from "./dom.js";
import { ageWords, bitWords, exceptionText, moment, t, whenStale } from "./texts.js";
import { telegramList } from "./telegram.js";

const COLUMNS = [
  ["address", (row) => row.address, "num"],
  ["number", (row) => row.number, "num optional"],
  ["name", (row) => row.name, ""],
  ["value", (row) => parseFloat(row.text) || row.text || "", ""],
  ["content", (row) => row.words, "optional"],
  ["type", (row) => row.type, "optional"],
  ["obis", (row) => row.codes.join(" "), "optional codes"],
  ["age", (row) => row.age_s ?? -1, ""],
];

// Before the first telegram, and after the registers were withdrawn, there is nothing to hold.
function stalenessOf({ registers, age_s: ageS, on_stale: onStale }) {
  if (registers.some((register) => register.is_stale)) return `${t("readings_stale", { age: ageWords(ageS) })} ${whenStale(onStale)}`;
  return `${t("no_readings")} ${whenStale(onStale === "hold" ? "exception" : onStale)}`;
}

export function create(gateway, refresh) {
  const state = { server: 0, unit: null, search: "", absentOnly: false, sort: 0, down: false, chosen: null, line: null };
  let data = null;
  let telegram = null;
  let rows = new Map();

  const controls = h("div", { class: "controls" });
  const caption = h("caption", {});
  const staleness = h("p", { class: "bad" });
  const head = h("tr", {});
  const body = h("tbody", {});
  const list = telegramList((line) => { state.line = state.line === line ? null : line; state.chosen = null; show(); });
  const element = h("div", {}, controls,
    h("p", { class: "soft" }, t("choose_register")),
    staleness,
    h("div", { class: "columns" },
      h("div", { class: "scroll tall", tabindex: 0, role: "region", "aria-label": t("registers") }, h("table", {}, caption, h("thead", {}, head), body)),
      h("section", { class: "scroll tall", tabindex: 0, "aria-label": t("newest_telegram") }, list.element)));

  let controlled = "";
  function showControls() {
    const units = gateway.status.servers.flatMap((server, index) => server.units.map((unit) => [`${index}/${unit.unit_id}`, `${unit.unit_id}: ${unit.map} (${server.name}, ${unit.meter})`]));
    const key = JSON.stringify(units);
    if (key === controlled) return;
    controlled = key;
    if (state.unit === null && units.length) [state.server, state.unit] = units[0][0].split("/");
    controls.replaceChildren(
      select(t("unit"), units, `${state.server}/${state.unit}`, (value) => { [state.server, state.unit] = value.split("/"); state.chosen = state.line = null; rows = new Map(); refresh(); }),
      h("label", {}, `${t("search")} `, h("input", { type: "search", id: "search", value: state.search, oninput: (event) => { state.search = event.target.value.toLowerCase(); show(); } })),
      checkbox(t("absent_only"), state.absentOnly, (isOn) => { state.absentOnly = isOn; show(); }),
      checkbox(t("show_identifiers"), gateway.showsIdentifiers, (isOn) => { gateway.showsIdentifiers = isOn; refresh(); }));
  }

  function showHead() {
    head.replaceChildren(...COLUMNS.map(([name, , kind], index) => h("th", {
      scope: "col", class: kind, "aria-sort": state.sort === index ? (state.down ? "descending" : "ascending") : "none",
    }, h("button", { onclick: () => { state.down = state.sort === index && !state.down; state.sort = index; show(); } },
      t(name) + (state.sort === index ? (state.down ? " ▾" : " ▴") : "")))));
  }

  function isWanted(row) {
    if (state.absentOnly && !isAbsent(row)) return false;
    if (!state.search) return true;
    return [row.name, row.address, row.number, row.text, row.description, row.type, ...row.codes].join(" ").toLowerCase().includes(state.search);
  }

  function isAbsent(row) {
    return row.is_answered && row.exception === null && row.text === null;
  }

  // What a client gets now. A client that gets no value sees none here either.
  function valueOf(register) {
    if (!register.is_answered) return t("no_response");
    if (register.exception !== null) return exceptionText(register.exception);
    if (register.bits) return register.bits.length ? bitWords(register.bits) : t("bits_none");
    if (register.unix_time !== null && register.text !== null) return moment(register.unix_time);
    return register.text ?? "—";
  }

  function isMarked(row) {
    return row.name === state.chosen || (state.line !== null && row.lines.includes(state.line));
  }

  function rowOf(register) {
    if (!rows.has(register.name)) {
      const cells = COLUMNS.map(([name, , kind]) => h("td", { class: `${name === "content" ? "content " : ""}${kind}${["value", "content"].includes(name) ? " live" : ""}` }));
      cells[2].append(h("button", { class: "name", title: register.description || null, onclick: () => { state.chosen = state.chosen === register.name ? null : register.name; state.line = null; show(); } }, register.name.split(/(?<=_)/).flatMap((part) => [h("wbr"), part])));
      rows.set(register.name, h("tr", { "data-register": register.name }, cells));
    }
    const row = rows.get(register.name);
    const cells = row.children;
    setText(cells[0], String(register.address));
    setText(cells[1], String(register.number));
    setText(cells[3], valueOf(register) + (register.is_stale && register.text !== null ? ` (${t("stale", { age: ageWords(register.age_s) })})` : ""));
    cells[3].classList.toggle("soft", register.is_stale || register.text === null);
    cells[3].title = isAbsent(register) ? t(register.is_withheld ? "identifiers_off" : "absent") : "";
    setText(cells[4], register.words);
    cells[4].title = register.words;
    setText(cells[5], register.type + (register.length > 1 && register.type === "string" ? `[${register.length}]` : ""));
    setText(cells[6], register.codes.join("\n"));
    setText(cells[7], isAbsent(register) ? "—" : ageWords(register.age_s));
    row.classList.toggle("marked", isMarked(register));
    cells[2].firstChild.setAttribute("aria-pressed", isMarked(register));
    return row;
  }

  function show() {
    showHead();
    if (!data) return;
    const value = COLUMNS[state.sort][1];
    const shown = data.registers.filter(isWanted).toSorted((a, b) => {
      const [one, other] = [value(a), value(b)];
      const order = typeof one === typeof other ? (one < other ? -1 : Number(one > other)) : typeof one === "number" ? -1 : 1;
      return state.down ? -order : order;
    });
    setText(staleness, data.is_fresh ? "" : stalenessOf(data));
    setText(caption, t("registers_caption", { count: shown.length, all: data.registers.length, unit: data.unit_id, map: data.map }));
    const wanted = shown.map(rowOf);
    if (wanted.length !== body.children.length || wanted.some((row, index) => row !== body.children[index])) body.replaceChildren(...wanted);
    const lines = new Set(state.line === null ? [] : [state.line]);
    for (const register of data.registers) if (register.name === state.chosen) register.lines.forEach((line) => lines.add(line));
    list.show(telegram, lines);
  }

  return {
    element,
    update: showControls,
    // The gateway's own values change without a telegram, and a client reads them as they are now.
    tick: refresh,
    async refresh() {
      if (state.unit === null) return;
      const identifiers = gateway.showsIdentifiers;
      data = await gateway.get("api/registers", { server: state.server, unit: state.unit, identifiers });
      telegram = await gateway.get("api/telegram", { meter: data.meter, identifiers });
      show();
    },
  };
}
