// The registers of a unit as a client reads them now, beside the telegram that their values come from.

import { checkbox, h, make, render, scroller, searchField, select, table } from "./dom.js";
import { identifiersBox, telegramList } from "./telegram.js";
import { ageWords, insteadOfValues, inWords, t } from "./texts.js";

export function create(gateway, refresh) {
  const state = { unit: null, search: "", absentOnly: false, chosen: null, line: null };
  const element = make(h("div"));
  const columns = [
    ["address", "num", ({ address }) => address],
    ["number", "num optional", ({ number }) => number],
    ["name", null, nameButton],
    ["value", "live", valueCell],
    ["content", "optional live", ({ words }) => words],
    ["type", "optional", ({ type, length }) => (type === "string" && length > 1 ? `string[${length}]` : type)],
    ["obis", "optional codes", ({ codes }) => codes.join("\n")],
    ["age", "live", (row) => (isAbsent(row) ? "—" : ageWords(row.age_s))],
  ];
  let data = null;
  let telegram = null;
  let units = [];

  function change(changes) {
    Object.assign(state, changes);
    show();
    element.querySelector("li.marked")?.scrollIntoView({ block: "nearest" });
  }

  // The values of the unit before would look like those of this one.
  function chooseUnit(unit) {
    data = null;
    change({ unit, chosen: null, line: null });
    refresh();
  }

  function isWanted(row) {
    const texts = [row.name, row.address, row.number, row.text, row.description, row.type, ...row.codes];
    return (!state.absentOnly || isAbsent(row)) && texts.join(" ").toLowerCase().includes(state.search.toLowerCase());
  }

  const isMarked = ({ name, lines }) => name === state.chosen || lines.includes(state.line);

  // A long name can break after each underscore.
  function nameButton(register) {
    const { name, description } = register;
    const choose = () => change({ chosen: state.chosen === name ? null : name, line: null });
    return h("button.name", { lang: "en", title: description || null, "aria-pressed": isMarked(register), onclick: choose },
      name.split(/(?<=_)/).map((part) => [h("wbr"), part]));
  }

  // A reload can take the unit away. An event brings no values of registers, so the rows stay: to draw hundreds of them again
  // takes long.
  function update() {
    units = gateway.status.servers.flatMap(({ name, units: all }, index) => all
      .map(({ unit_id: id, map, meter }) => [`${index}/${id}`, `${id}: ${map} (${name}, ${meter})`]));
    if (!units.some(([unit]) => unit === state.unit)) [state.unit, data] = [units[0]?.[0] ?? null, null];
    if (!data) show();
  }

  function show() {
    render(element, h("div.bar",
      select(t("unit"), units, state.unit, chooseUnit),
      h("label", `${t("search")} `, searchField(state.search, (search) => change({ search }))),
      checkbox(t("absent_only"), state.absentOnly, (absentOnly) => change({ absentOnly })),
      identifiersBox(gateway, refresh)), data && values());
  }

  function values() {
    const shown = data.registers.filter(isWanted);
    const lines = state.line === null ? data.registers.find(({ name }) => name === state.chosen)?.lines : [state.line];
    const caption = t("registers_caption", { count: shown.length, all: data.registers.length, unit: data.unit_id, map: data.map });
    return [h("p.soft", t("choose_register")), !data.is_fresh && h("p.bad", stalenessOf(data)), h("div.g",
      table(t("registers"), columns, shown, { kind: ".tall.s8", caption,
        rowOf: (register) => ({ class: isMarked(register) && "marked", key: register.name, "data-register": register.name }) }),
      scroller("div.tall", t("newest_telegram"), telegramList(telegram, lines ?? [], (line) => change({ line: state.line === line ? null : line, chosen: null }))))];
  }

  return {
    element,
    update,
    // The gateway's own values change without a telegram, and a client reads them as they are now.
    tick: refresh,
    async refresh() {
      const asked = state.unit;
      if (asked === null) return;
      const [server, unit] = asked.split("/");
      const identifiers = gateway.showsIdentifiers;
      const registers = await gateway.get("api/registers", { server, unit, identifiers });
      const newest = await gateway.get("api/telegram", { meter: registers.meter, identifiers });
      if (asked !== state.unit) return;
      [data, telegram] = [registers, newest];
      show();
    },
  };
}

function isAbsent(row) {
  return row.is_answered && row.exception === null && row.text === null;
}

function valueCell(row) {
  const { text, is_stale: isStale, is_withheld: isWithheld } = row;
  return h("span", { title: isAbsent(row) && t(isWithheld ? "identifiers_off" : "absent"), class: (isStale || text === null) && "soft" }, valueOf(row));
}

// What a client gets now. A client that gets no value sees none here either.
function valueOf(row) {
  const { bits, text, age_s: age, is_stale: isStale } = row;
  const value = insteadOfValues(row) ?? (bits?.length === 0 ? t("bits_none") : inWords({ ...row, value: text }));
  return isStale && text !== null ? `${value} (${t("stale", { age: ageWords(age) })})` : value;
}

// Before the first telegram, and after the registers were withdrawn, there is nothing to hold.
function stalenessOf({ registers, age_s: age, on_stale: onStale }) {
  if (registers.some((register) => register.is_stale)) return `${t("readings_stale", { age: ageWords(age) })} ${t(`on_stale_${onStale}`)}`;
  return `${t("no_readings")} ${t(`on_stale_${onStale === "hold" ? "exception" : onStale}`)}`;
}
