import { lang } from "../place";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A day of an axis, short: the year is in the heading. */
export function asDayLabel(day: string): string {
  const [, month, date] = day.split("-").map(Number) as [number, number, number];
  return lang.value === "en" ? `${date} ${MONTHS[month - 1]}` : `${month}月${date}日`;
}
