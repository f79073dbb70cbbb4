// The newest telegram with the meaning of each line, and the results of the last telegrams.

import { checkbox, copyButton, h, select, setText } from "./dom.js";
import { ageWords, clock, moment, number, refusal, t } from "./texts.js";

// A list of a telegram's lines in which a line can be selected.
export function telegramList(choose) {
  const element = h("ol", { class: "telegram", start: 2 });
  const lines = [];
  return {
    element,
    show(telegram, marked) {
      const wanted = telegram?.lines ?? [];
      while (lines.length > wanted.length) lines.pop().remove();
      wanted.forEach((line, index) => {
        if (!lines[index]) {
          lines[index] = h("li", {}, h("button", { onclick: () => choose(index) }), h("span", { class: "meaning" }));
          element.append(lines[index]);
        }
        const [button, meaning] = lines[index].children;
        setText(button, line.text);
        button.setAttribute("aria-pressed", marked.has(index));
        setText(meaning, line.fault ? `${line.name}: ${line.fault}` : `${line.name}: ${lineValue(line)}`);
        meaning.classList.toggle("bad", line.fault !== null);
        lines[index].classList.toggle("marked", marked.has(index));
        if (marked.has(index) && marked.size === 1) lines[index].scrollIntoView({ block: "nearest" });
      });
    },
  };
}

// A clock is a time of day; a reading of an M-Bus meter has the time at which that meter wrote it.
function lineValue({ name, value, unit, unix_time: time }) {
  if (name === "clock" && time !== null) return moment(time);
  return `${value ?? "—"}${unit ? ` ${unit}` : ""}${time === null ? "" : `, ${moment(time)}`}`;
}

export function create(gateway, refresh) {
  const state = { meter: null, line: null };
  let data = null;
  let controlled = "";
  const controls = h("div", { class: "controls" });
  const title = h("h2", {}, t("newest_telegram"));
  const heading = h("p", { class: "mono live" });
  const note = h("p", { class: "soft" });
  const list = telegramList((line) => { state.line = state.line === line ? null : line; show(); });
  const recent = h("tbody", {});
  const element = h("div", {}, controls, h("div", { class: "columns" },
    h("section", { class: "card" }, title, heading, list.element, note),
    h("section", { class: "card scroll" }, h("table", {}, h("caption", {}, t("last_ten")),
      h("thead", {}, h("tr", {}, ["arrived", "interval", "result"].map((name) => h("th", { scope: "col" }, t(name))))), recent))));

  function update() {
    const names = gateway.status.meters.map((meter) => meter.name);
    const key = JSON.stringify(names);
    if (key === controlled) return;
    controlled = key;
    if (!names.includes(state.meter)) state.meter = names[0] ?? null;
    controls.replaceChildren(
      select(t("meter"), names.map((name) => [name, name]), state.meter, (name) => { state.meter = name; refresh(); }),
      copyButton(() => data?.text ?? ""),
      checkbox(t("show_identifiers"), gateway.showsIdentifiers, (isOn) => { gateway.showsIdentifiers = isOn; refresh(); }));
  }

  function show() {
    setText(heading, data.identification ?? t("no_telegram"));
    heading.append(data.age_s === null ? "" : ` (${data.is_fresh ? ageWords(data.age_s) : t("stale", { age: ageWords(data.age_s) })})`);
    const isOld = data.age_s !== null && !data.is_fresh;
    setText(title, isOld ? t("telegram_last", { age: ageWords(data.age_s) }) : t("newest_telegram"));
    title.classList.toggle("bad", isOld);
    setText(note, data.is_masked && data.text !== null ? t("masked") : "");
    list.show(data, new Set(state.line === null ? [] : [state.line]));
    recent.replaceChildren(...data.recent.map((each) => h("tr", {},
      h("td", {}, clock(each.at)), h("td", {}, each.interval_s === null ? "—" : `${number(each.interval_s, 2)} s`),
      h("td", { class: each.fault ? "bad" : null }, each.fault ? t("refused", { reason: refusal(each.fault) }) : t("accepted")))));
  }

  return {
    element,
    update,
    tick() { if (data && !data.is_fresh) refresh(); },
    async refresh() {
      if (state.meter === null) return;
      data = await gateway.get("api/telegram", { meter: state.meter, identifiers: gateway.showsIdentifiers });
      show();
    },
  };
}
