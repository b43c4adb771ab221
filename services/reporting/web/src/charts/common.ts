// What all charts share: the page's own letters, patterns beside colours, no haste.

import type { Option } from "./echarts";

const INK = "#1d2733";
export const BLUE = "#1f63b0";
export const RED = "#b3261e";
export const GREEN = "#1b6e3c";
export const AMBER = "#a15c00";
export const GREY = "#6b7683";

interface Palette {
  /** Undefined: as the library has it. */
  words: string | undefined;
  faint: string;
  line: string;
  blue: string;
  amber: string;
  red: string;
  redWords: string;
}

const PAPER: Palette = { words: undefined, faint: GREY, line: "#e3e8ee", blue: BLUE, amber: AMBER, red: RED, redWords: RED };
const WALL: Palette = {
  words: "#e8eef6",
  faint: "#c7d3e0",
  line: "#2c3a4c",
  blue: "#62a8ff",
  amber: "#ffc266",
  red: "#ff8a80",
  redWords: "#ffb4ab",
};

/** The colours of a chart in the page, or on the dark wall. */
export function palette(dark: boolean): Palette {
  return dark ? WALL : PAPER;
}

/** Letters of a chart in pixels: a wall is read from the back of the room. */
export function letters(dark: boolean): number {
  return dark ? Math.max(14, Math.round(innerHeight / 55)) : 12;
}

/** Names of an axis on a phone leave room for its bars; the table below has them whole. */
export function axisNames(dark = false): object {
  return {
    fontSize: letters(dark),
    color: palette(dark).words,
    ...(innerWidth < 800 ? { width: 84, overflow: "truncate" } : {}),
  };
}

const STILL = matchMedia("(prefers-reduced-motion: reduce)");

export function base(dark = false): Option {
  return {
    animation: !STILL.matches,
    animationDuration: 300,
    backgroundColor: "transparent",
    // The description is the figure's own label; ECharts adds the patterns.
    aria: { enabled: true, decal: { show: true }, label: { enabled: false } },
    textStyle: {
      fontFamily: '"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","Source Han Sans SC",sans-serif',
      color: palette(dark).words ?? INK,
    },
    grid: { left: 8, right: 24, top: 40, bottom: 8, containLabel: true },
    tooltip: { trigger: "axis", confine: true },
  };
}
