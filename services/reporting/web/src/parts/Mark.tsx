// Levels and results: a shape and a word, and the colour only as a third.

import type { Level } from "../types";
import { t, tCode } from "../words";

const SHAPES: Record<Level, string> = { L0: "○", L1: "●", L2: "▲", L3: "■", L4: "◆", L5: "◆", L6: "◆", L7: "★" };
const COLOURS: Record<Level, string> = {
  L0: "calm",
  L1: "blue",
  L2: "yellow",
  L3: "red",
  L4: "deep",
  L5: "deep",
  L6: "deep",
  L7: "deep",
};

/** From the highest down. */
export const LEVELS = (Object.keys(SHAPES) as Level[]).reverse();

export function levelText(level: Level): string {
  return level === "L0" ? t("level.L0") : `${level} ${t(`level.${level}`)}`;
}

export function LevelMark({ level }: { level: Level }) {
  return (
    <span class={`mark ${COLOURS[level]}`}>
      <span aria-hidden="true">{SHAPES[level]}</span> {levelText(level)}
    </span>
  );
}

const RESULTS: Record<string, [string, string]> = {
  PASS: ["✔", "green"],
  FAIL: ["✘", "red"],
  PENDING: ["…", "blue"],
  NOT_EVALUABLE: ["–", "calm"],
};

export function ResultMark({ result }: { result: string }) {
  const [shape, colour] = RESULTS[result] ?? ["?", "calm"];
  return (
    <span class={`mark ${colour}`}>
      <span aria-hidden="true">{shape}</span> {tCode("result", result)}
    </span>
  );
}

export function overdueText(overdue: boolean): string {
  return overdue ? t("overdue.yes") : "";
}

export function Overdue({ overdue }: { overdue: boolean }) {
  return overdue ? (
    <span class="mark red">
      <span aria-hidden="true">■</span> {t("overdue.yes")}
    </span>
  ) : null;
}

export function noteText(note: string | null): string {
  return note ? tCode("note", note) : "";
}
