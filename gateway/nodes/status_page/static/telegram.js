// The newest telegram with the meaning of each line, and the results of the last telegrams.

import { checkbox, copyButton, h, make, render, select, table } from "./dom.js";
import { ageWords, clock, inWords, moment, number, refusal, t } from "./texts.js";

const RECENT = [
  ["arrived", null, ({ at }) => clock(at)],
  ["interval", null, ({ interval_s: interval }) => `${number(interval, 2)} s`],
  ["result", null, ({ fault }) => (fault ? h("span.bad", t("refused", { reason: refusal(fault) })) : t("accepted"))],
];

export function telegramList(telegram, marked, choose) {
  return h("ol.telegram.live", { start: 2 }, telegram.lines.map((line, index) => h("li", { class: marked.includes(index) && "marked" },
    h("button", { "aria-pressed": marked.includes(index), onclick: () => choose(index) }, line.text),
    h("span.meaning", { class: line.fault && "bad" }, `${line.name}: ${line.fault ?? valueOf(line)}`))));
}

// A clock is a time of day; a reading of an M-Bus meter has the time at which that meter wrote it.
function valueOf({ unix_time: time, ...line }) {
  if (line.name === "clock") return inWords({ ...line, unix_time: time });
  return time === null ? inWords(line) : `${inWords(line)}, ${moment(time)}`;
}

export function identifiersBox(gateway, refresh) {
  return checkbox(t("show_identifiers"), gateway.showsIdentifiers, (isOn) => { gateway.showsIdentifiers = isOn; refresh(); });
}

export function create(gateway, refresh) {
  const state = { meter: gateway.meterName, line: null };
  const element = make(h("div"));
  let data = null;

  function show() {
    const names = gateway.status.meters.map(({ name }) => name);
    if (!names.includes(state.meter)) state.meter = names[0] ?? null;
    if (data?.meter !== state.meter) data = null; // that of another meter would look like the one of this meter
    const controls = h("div.bar",
      select(t("meter"), names, state.meter, (meter) => { gateway.meterName = state.meter = meter; show(); refresh(); }),
      copyButton(() => data?.text), identifiersBox(gateway, refresh));
    render(element, controls, data && h("div.g.top", newest(data),
      h("section.card", table(t("last_ten"), RECENT, data.recent, { caption: t("last_ten") }))));
  }

  function newest({ identification, age_s: seconds, is_fresh: isFresh, is_masked: isMasked, text }) {
    const age = ageWords(seconds);
    const isOld = seconds !== null && !isFresh;
    return h("section.card.s8", h("h2", { class: isOld && "bad" }, isOld ? t("telegram_last", { age }) : t("newest_telegram")),
      h("p.mono.live", identification ?? t("no_telegram"), seconds !== null && ` (${isFresh ? age : t("stale", { age })})`),
      telegramList(data, [state.line], (line) => { state.line = state.line === line ? null : line; show(); }),
      h("p.soft", isMasked && text !== null && t("masked")));
  }

  return {
    element,
    update: show,
    tick: refresh,
    async refresh() {
      if (state.meter === null) return;
      data = await gateway.get("api/telegram", { meter: state.meter, identifiers: gateway.showsIdentifiers });
      show();
    },
  };
}
