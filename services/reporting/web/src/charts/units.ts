// Who leads, who lags, and why: scores as bars, one score as a waterfall, open cases by age.

import { lang } from "../place";
import { AGES, type Ranked, type Unit } from "../types";
import { t, tCode } from "../words";
import { AMBER, axisNames, base, BLUE, GREEN, GREY, letters, palette, RED } from "./common";
import type { Option } from "./echarts";

/** Height of a list of bars in pixels. */
export function heightOf(bars: number): number {
  return 70 + bars * 30;
}

const HATCHED = { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 5], rotation: -Math.PI / 6, color: "rgba(255,255,255,.45)" };

/** Scores of a list, its first at the top; the axis is never cut. Small samples are grey and hatched. */
export function scores(items: Ranked[], name: (item: Ranked) => string, dark = false): Option {
  const shown = items.filter((item) => item.score != null);
  const colours = palette(dark);
  return {
    ...base(dark),
    aria: { enabled: true, decal: { show: false }, label: { enabled: false } },
    grid: { left: 8, right: dark ? 90 : 56, top: 8, bottom: 8, containLabel: true },
    xAxis: { type: "value", min: 0, max: 100, axisLabel: { fontSize: letters(dark), hideOverlap: true }, splitLine: { lineStyle: { color: colours.line } } },
    yAxis: { type: "category", inverse: true, data: shown.map(name), axisLabel: axisNames(dark) },
    series: [
      {
        name: t("rank.score"),
        type: "bar",
        barMaxWidth: dark ? 34 : 18,
        data: shown.map((item) => ({
          value: item.score!,
          itemStyle:
            item.note === "SMALL_SAMPLE"
              ? { color: GREY, decal: HATCHED }
              : { color: item.note === "EXTREME" ? RED : colours.blue },
        })),
        label: {
          show: true,
          position: "right",
          color: colours.words,
          fontSize: letters(dark),
          formatter: (item) => Number(item.value).toFixed(2),
        },
      },
    ],
  };
}

/** The parts of a score one after the other: each begins where the one before ended. */
export function waterfall(item: Ranked): Option {
  const names = Object.keys(item.parts);
  const under: number[] = [];
  const plus: (number | null)[] = [];
  const minus: (number | null)[] = [];
  let level = 0;
  for (const name of names) {
    const part = item.parts[name]!;
    under.push(Math.min(level, level + part));
    plus.push(part >= 0 ? part : null);
    minus.push(part < 0 ? -part : null);
    level += part;
  }
  const bar = { type: "bar" as const, stack: "score", barMaxWidth: 34 };
  return {
    ...base(),
    // What lies under a step is only there to lift it.
    tooltip: { trigger: "item", confine: true },
    grid: { left: 8, right: 16, top: 20, bottom: 8, containLabel: true },
    xAxis: {
      type: "category",
      data: [...names.map((name) => tCode("part", name)), t("rank.raw")],
      axisLabel: { interval: 0, rotate: lang.value === "en" ? 35 : 30 },
    },
    yAxis: { type: "value" },
    series: [
      { ...bar, name: "", data: [...under, 0], itemStyle: { color: "transparent", decal: { color: "transparent" } }, silent: true, tooltip: { show: false } },
      { ...bar, name: t("rank.plus"), data: [...plus, null], color: GREEN },
      { ...bar, name: t("rank.minus"), data: [...minus, null], color: RED },
      { ...bar, name: t("rank.raw"), data: [...names.map(() => null), item.raw ?? 0], color: BLUE },
    ],
  };
}

/** Open cases of each unit by how long they have been open. */
export function ageing(items: Unit[], name: (item: Unit) => string): Option {
  const colours = ["#8fb4dd", BLUE, "#d9a441", AMBER, RED];
  return {
    ...base(),
    legend: { top: 0 },
    tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, confine: true },
    grid: { left: 8, right: 24, top: 34, bottom: 8, containLabel: true },
    xAxis: { type: "value", minInterval: 1 },
    yAxis: { type: "category", inverse: true, data: items.map(name), axisLabel: axisNames() },
    series: AGES.map((age, index) => ({
      name: t("age.days", { age: age.replace("-", "–") }),
      type: "bar" as const,
      stack: "age",
      barMaxWidth: 18,
      color: colours[index]!,
      data: items.map((item) => item.ageing[age] ?? 0),
    })),
  };
}
