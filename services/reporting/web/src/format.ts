// How numbers, money and time are written: 万元 with two decimals, 2021年12月31日, Asia/Shanghai.

import { lang } from "./place";
import { t } from "./words";

const ZONE = "Asia/Shanghai";
const FEN_OF_WAN = 1_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NONE = "—";

const whole = new Intl.NumberFormat("en-US");
const two = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function count(value: number | null | undefined): string {
  return value == null ? NONE : whole.format(value);
}

/** Fen as 万元 (in English, which has no such unit, as yuan), without the unit: the heading has it. */
export function wan(fen: number | null | undefined): string {
  if (lang.value === "en") return yuan(fen);
  return fen == null ? NONE : two.format(fen / FEN_OF_WAN);
}

/** Fen as 元, for the lines of one case. */
export function yuan(fen: number | null | undefined): string {
  return fen == null ? NONE : two.format(fen / 100);
}

export function points(value: number | null | undefined): string {
  return value == null ? NONE : two.format(value);
}

export function percent(value: number | null | undefined): string {
  return value == null ? NONE : `${two.format(value)}%`;
}

/** A part in percent of the whole; of nothing there is none. */
export function share(part: number, whole: number): string {
  return percent(whole ? (part * 100) / whole : null);
}

interface Civil {
  year: string;
  month: string;
  day: string;
  hour: string;
  minute: string;
  second: string;
}

const parts = new Intl.DateTimeFormat("en-CA", {
  timeZone: ZONE,
  hourCycle: "h23",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

function civil(at: Date): Civil {
  return Object.fromEntries(parts.formatToParts(at).map((part) => [part.type, part.value])) as unknown as Civil;
}

const english = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });

/** A civil day `YYYY-MM-DD` in words. */
export function day(text: string): string {
  const [year, month, date] = text.split("-").map(Number) as [number, number, number];
  if (lang.value === "en") return english.format(Date.UTC(year, month - 1, date));
  return `${year}年${month}月${date}日`;
}

/** The civil day on which an instant lies, `YYYY-MM-DD`. */
function dayOf(instant: string | Date): string {
  const at = civil(new Date(instant));
  return `${at.year}-${at.month}-${at.day}`;
}

export function date(instant: string | null | undefined): string {
  return instant ? day(dayOf(instant)) : NONE;
}

export function time(instant: string | null | undefined): string {
  if (!instant) return NONE;
  const at = civil(new Date(instant));
  return `${day(dayOf(instant))} ${at.hour}:${at.minute}`;
}

/** An end: 00:00 is said as 24:00 of the day that ends with it, as officials say it. */
export function due(instant: string | null | undefined): string {
  if (!instant) return NONE;
  const at = civil(new Date(instant));
  if (`${at.hour}${at.minute}${at.second}` !== "000000") return time(instant);
  return `${day(dayOf(new Date(Date.parse(instant) - 1)))} 24:00`;
}

/** A length of time in days and hours. */
export function span(milliseconds: number): string {
  const size = Math.abs(milliseconds);
  const days = Math.floor(size / DAY);
  const hours = Math.floor((size % DAY) / HOUR);
  const minutes = Math.floor((size % HOUR) / MINUTE);
  const words = [];
  if (days) words.push(t("span.days", { n: days }));
  if (hours) words.push(t("span.hours", { n: hours }));
  if (!days && !hours) words.push(t("span.minutes", { n: minutes }));
  return words.join(lang.value === "en" ? " " : "");
}

/** How long until an end, or since it, as of an instant. */
export function left(end: string, now: string): string {
  const rest = Date.parse(end) - Date.parse(now);
  // A stop exactly at the end is late (contract 4), so the end itself already is.
  return rest > 0 ? t("due.left", { length: span(rest) }) : t("due.late", { length: span(rest) });
}

/** What `<input type="datetime-local">` shows for an instant, and back. */
export function asLocal(instant: string | null): string {
  if (!instant || Number.isNaN(Date.parse(instant))) return "";
  const at = civil(new Date(instant));
  return `${at.year}-${at.month}-${at.day}T${at.hour}:${at.minute}`;
}

export function ofLocal(text: string): string | null {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) ? `${text.slice(0, 16)}:00+08:00` : null;
}

/** The start of a civil day as an instant; `after`: of the one so many days later. */
export function startOf(text: string, after = 0): string {
  const at = new Date(Date.parse(`${text}T00:00:00+08:00`) + after * DAY);
  return `${dayOf(at)}T00:00:00+08:00`;
}

export function daysBetween(first: string, last: string): number {
  return Math.round((Date.parse(`${last}T00:00:00Z`) - Date.parse(`${first}T00:00:00Z`)) / DAY);
}
