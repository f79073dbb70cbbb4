// The registers of a unit as a client reads them now, beside the telegram that their values come from.

import { checkbox, h, make, memo, render, searchField, select } from "./dom.js";
import { sorting, table } from "./table.js";
import { telegramList } from "./telegram.js";
import { ageWords, bitWords, exceptionText, minus, moment, t } from "./texts.js";

const COLUMNS = [
  { name: "address", by: (row) => row.address, kind: "num" },
  { name: "number", by: (row) => row.number, kind: "num optional" },
  { name: "name", by: (row) => row.name },
  { name: "value", by: (row) => parseFloat(row.text) || row.text || "", kind: "live" },
  { name: "content", by: (row) => row.words, kind: "optional live" },
  { name: "type", by: (row) => row.type, kind: "optional" },
  { name: "obis", by: (row) => row.codes.join(" "), kind: "optional codes" },
  { name: "age", by: (row) => row.age_s ?? -1 },
];

export function create(gateway, refresh) {
  const state = { unit: null, search: "", absentOnly: false, chosen: null, line: null };
  const order = sorting(COLUMNS, "address", show);
  const rows = new Map();
  const element = make(h("div"));
  let data = null;
  let telegram = null;

  function change(changes) {
    Object.assign(state, changes);
    show();
  }

  function controls() {
    const units = gateway.status.servers.flatMap(({ name, units: all }, index) => all
      .map(({ unit_id: id, map, meter }) => [`${index}/${id}`, `${id}: ${map} (${name}, ${meter})`]));
    // A reload can take the unit away.
    if (!units.some(([unit]) => unit === state.unit)) [state.unit, data] = [units[0]?.[0] ?? null, null];
    return h("div.controls",
      select(t("unit"), units, state.unit, (unit) => { rows.clear(); change({ unit, chosen: null, line: null }); refresh(); }),
      h("label", `${t("search")} `, searchField(state.search, (search) => change({ search }))),
      checkbox(t("absent_only"), state.absentOnly, (absentOnly) => change({ absentOnly })),
      checkbox(t("show_identifiers"), gateway.showsIdentifiers, (isOn) => { gateway.showsIdentifiers = isOn; refresh(); }));
  }

  function isWanted(row) {
    const texts = [row.name, row.address, row.number, row.text, row.description, row.type, ...row.codes];
    return (!state.absentOnly || isAbsent(row)) && texts.join(" ").toLowerCase().includes(state.search.toLowerCase());
  }

  // A row is described again only when one of its texts has changed.
  function rowOf(register) {
    const { name, words, type, length, text, is_stale: isStale } = register;
    const isMarked = name === state.chosen || register.lines.includes(state.line);
    const age = isStale && text !== null ? ` (${t("stale", { age: ageWords(register.age_s) })})` : "";
    const texts = [register.address, register.number, name, valueOf(register) + age, words,
      type + (length > 1 && type === "string" ? `[${length}]` : ""),
      register.codes.join("\n"), isAbsent(register) ? "—" : ageWords(register.age_s)];
    if (!rows.has(name)) rows.set(name, memo());
    return rows.get(name)([texts, isMarked, isStale, register.is_withheld],
      () => h("tr", { class: isMarked && "marked", key: name, "data-register": name }, texts.map((content, index) => {
      const { name: column, kind } = COLUMNS[index];
      if (column === "name") return h("td", nameButton(register, isMarked));
      const why = column === "value" && isAbsent(register) && t(register.is_withheld ? "identifiers_off" : "absent");
      const isSoft = column === "value" && (isStale || text === null);
      return h("td", { class: isSoft ? `${kind} soft` : kind, title: column === "content" ? words || null : why }, content);
    })));
  }

  // A long name can break after each underscore.
  function nameButton({ name, description }, isMarked) {
    const choose = () => change({ chosen: state.chosen === name ? null : name, line: null });
    return h("button.name", { title: description || null, "aria-pressed": isMarked, onclick: choose },
      name.split(/(?<=_)/).map((part) => [h("wbr"), part]));
  }

  function show() {
    const tools = controls();
    if (!data) return render(element, tools);
    const shown = order.sort(data.registers.filter(isWanted));
    const lines = state.line === null ? data.registers.find(({ name }) => name === state.chosen)?.lines : [state.line];
    const caption = t("registers_caption", { count: shown.length, all: data.registers.length, unit: data.unit_id, map: data.map });
    render(element, tools, h("p.soft", t("choose_register")), h("p.bad", !data.is_fresh && stalenessOf(data)), h("div.columns",
      table(t("registers"), order.heads("th", { scope: "col" }), shown.map(rowOf), { kind: ".tall", caption }),
      h("section.scroll.tall", { tabindex: 0, "aria-label": t("newest_telegram") },
        telegramList(telegram, lines ?? [], (line) => change({ line: state.line === line ? null : line, chosen: null })))));
    if (lines?.length === 1) element.querySelector("li.marked")?.scrollIntoView({ block: "nearest" });
  }

  return {
    element,
    update: show,
    // The gateway's own values change without a telegram, and a client reads them as they are now.
    tick: refresh,
    async refresh() {
      if (state.unit === null) return;
      const [server, unit] = state.unit.split("/");
      const identifiers = gateway.showsIdentifiers;
      data = await gateway.get("api/registers", { server, unit, identifiers });
      telegram = await gateway.get("api/telegram", { meter: data.meter, identifiers });
      show();
    },
  };
}

function isAbsent(row) {
  return row.is_answered && row.exception === null && row.text === null;
}

// What a client gets now. A client that gets no value sees none here either.
function valueOf({ is_answered: isAnswered, exception, bits, unix_time: time, text }) {
  if (!isAnswered) return t("no_response");
  if (exception !== null) return exceptionText(exception);
  if (bits) return bits.length ? bitWords(bits) : t("bits_none");
  return time !== null && text !== null ? moment(time) : minus(text ?? "—");
}

// Before the first telegram, and after the registers were withdrawn, there is nothing to hold.
function stalenessOf({ registers, age_s: age, on_stale: onStale }) {
  if (registers.some((register) => register.is_stale)) return `${t("readings_stale", { age: ageWords(age) })} ${t(`on_stale_${onStale}`)}`;
  return `${t("no_readings")} ${t(`on_stale_${onStale === "hold" ? "exception" : onStale}`)}`;
}
