// Shall we reach zero in this phase: the open stock against the straight line to the phase's end.

import { asDayLabel } from "./labels";
import type { Day, Definitions } from "../types";
import { daysBetween } from "../format";
import { phaseName } from "../reading";
import { t } from "../words";
import { base, letters, palette } from "./common";
import type { Option } from "./echarts";

export type Measure = "cases" | "amount";

export interface Point {
  day: string;
  open: number;
  overdue: number;
  /** Where the straight line from the phase's opening stock to zero stands; null out of a phase. */
  plan: number | null;
}

/** Money still owed, or open cases, of a day. */
function stock(item: Day, measure: Measure): number {
  return measure === "cases" ? item.open : Math.max(0, item.owed_fen - item.paid_fen);
}

/** Every day with its plan: each phase begins with what stood open at the end of the day before. */
export function points(days: Day[], phases: Definitions["campaign"]["phases"], measure: Measure): Point[] {
  return days.map((item) => {
    const phase = phases.find((each) => each.first <= item.day && item.day <= each.last);
    let plan: number | null = null;
    if (phase) {
      const before = days.filter((each) => each.day < phase.first).at(-1);
      const opening = before ?? days.find((each) => each.day >= phase.first)!;
      const begun = before ? phase.first : opening.day;
      const length = daysBetween(begun, phase.last) + (before ? 1 : 0);
      const gone = daysBetween(begun, item.day) + (before ? 1 : 0);
      plan = length > 0 ? stock(opening, measure) * (1 - gone / length) : 0;
    }
    return { day: item.day, open: stock(item, measure), overdue: item.overdue, plan };
  });
}

export function burndown(
  shown: Point[],
  definitions: Definitions,
  measure: Measure,
  dark = false,
): Option {
  const { phases, first, last } = definitions.campaign;
  const scale = (value: number | null) => (value == null ? null : measure === "cases" ? Math.round(value * 100) / 100 : value / 1e6);
  // The axis is the whole campaign from the first day on, so that the way left is seen.
  const days = everyDay(first, last);
  const at = new Map(shown.map((point) => [point.day, point]));
  const column = (of: (point: Point) => number | null) => days.map((day) => (at.has(day) ? scale(of(at.get(day)!)) : null));
  const current = shown.at(-1);
  const phase = current && phases.find((each) => each.first <= current.day && current.day <= each.last);
  const plan = days.map((day) => {
    const known = at.get(day)?.plan;
    if (known != null) return scale(known);
    // The line goes on to the end of the phase that runs.
    if (!phase || !current || day <= current.day || day > phase.last || current.plan == null) return null;
    const rest = daysBetween(current.day, phase.last);
    return rest ? scale(current.plan * (daysBetween(day, phase.last) / rest)) : 0;
  });
  const options = base(dark);
  const colours = palette(dark);
  const fontSize = letters(dark);
  const narrow = innerWidth < 800;
  return {
    ...options,
    legend: { top: 0, textStyle: { fontSize, color: colours.words } },
    grid: { left: 8, right: 16, top: dark ? 64 : 44, bottom: 8, containLabel: true },
    xAxis: {
      type: "category",
      data: days,
      boundaryGap: false,
      axisLabel: { formatter: asDayLabel, fontSize, color: colours.faint, hideOverlap: true },
    },
    yAxis: {
      type: "value",
      min: 0,
      // There is no fifth of a case.
      ...(measure === "cases" ? { minInterval: 1 } : {}),
      name: measure === "cases" ? t("unit.cases") : t("unit.wan"),
      axisLabel: { fontSize, color: colours.faint },
      nameTextStyle: { fontSize, color: colours.faint },
      splitLine: { lineStyle: { color: colours.line } },
    },
    series: [
      {
        name: measure === "cases" ? t("trend.open") : t("trend.rest"),
        type: "line",
        data: column((point) => point.open),
        showSymbol: false,
        lineStyle: { width: 3 },
        color: colours.blue,
        // A date of the campaign within a phase, as the one before 春节; the others are phases' ends.
        markLine: {
          silent: true,
          symbol: "none",
          lineStyle: { color: colours.red, type: "solid", width: 1 },
          label: { position: "insideEndBottom", color: colours.redWords, fontSize: fontSize - 1, formatter: "{b}" },
          data: definitions.campaign.dates
            .filter((date) => !phases.some((each) => each.last === date.last_day))
            .map((date) => ({ name: `${date.id} ${asDayLabel(date.last_day)}`, xAxis: date.last_day })),
        },
        markArea: {
          silent: true,
          label: { position: "insideTop", color: colours.faint, fontSize: fontSize - 1 },
          data: phases.map((each, index) => [
            {
              name: narrow ? each.id : phaseName(each),
              xAxis: each.first,
              itemStyle: { color: index % 2 ? "rgba(120,140,165,.13)" : "rgba(120,140,165,.05)" },
            },
            { xAxis: phases[index + 1]?.first ?? each.last },
          ]),
        },
      },
      // One line for each phase: between two of them nothing was planned.
      ...phases.map((each) => ({
        name: t("trend.plan"),
        type: "line" as const,
        data: days.map((day, index) => (each.first <= day && day <= each.last ? plan[index]! : null)),
        showSymbol: false,
        lineStyle: { type: "dashed" as const, width: 2 },
        color: colours.amber,
      })),
      ...(measure === "cases"
        ? [
            {
              name: t("trend.overdue"),
              type: "line" as const,
              data: column((point) => point.overdue),
              showSymbol: false,
              lineStyle: { width: 2, type: "dotted" as const },
              color: colours.red,
            },
          ]
        : []),
    ],
  };
}

function everyDay(first: string, last: string): string[] {
  const found = [];
  for (let at = Date.parse(`${first}T00:00:00Z`); at <= Date.parse(`${last}T00:00:00Z`); at += 86_400_000) {
    found.push(new Date(at).toISOString().slice(0, 10));
  }
  return found;
}
