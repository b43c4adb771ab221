// A ranking as a table. Task forces and townships never share one.

import { count, percent, points, wan } from "../format";
import { address } from "../place";
import type { Ranked } from "../types";
import { t } from "../words";
import { DataTable, type Column } from "./DataTable";
import { noteText } from "./Mark";

interface Props {
  caption: string;
  file: string;
  items: Ranked[];
  name: (item: Ranked) => string;
  /** Only the places and the scores, for a first look. */
  brief?: boolean;
}

export function Ranking({ caption, file, items, name, brief = false }: Props) {
  const rate = (title: string, part: string): Column<Ranked> => ({
    title,
    number: true,
    text: (item) => percent(item.rates[part]?.percent),
  });
  const first: Column<Ranked>[] = [
    { title: t("rank.rank"), number: true, text: (item) => (item.rank == null ? "—" : String(item.rank)) },
    {
      title: t("rank.unit"),
      head: true,
      text: name,
      show: (item) => <a href={address(`/units?unit=${item.unit}#why`)}>{name(item)}</a>,
    },
    { title: t("rank.score"), number: true, text: (item) => points(item.score) },
    { title: t("rank.base"), number: true, text: (item) => count(item.base) },
  ];
  const more: Column<Ranked>[] = [
    rate(t("part.cleared"), "cleared"),
    rate(t("part.on_time"), "on_time"),
    rate(t("part.satisfied"), "satisfied"),
    rate(t("part.recovered"), "recovered"),
    rate(t("part.responded"), "responded"),
    rate(t("part.ledger"), "ledger"),
    { title: t("rank.recovered"), number: true, text: (item) => wan(item.recovered_fen) },
    { title: t("rank.workers"), number: true, text: (item) => count(item.workers_paid) },
  ];
  const note: Column<Ranked> = { title: t("rank.note"), text: (item) => noteText(item.note) };
  return (
    <DataTable
      caption={caption}
      captionHidden
      file={file}
      rows={items}
      columns={brief ? [...first, note] : [...first, ...more, note]}
      rowClass={(item) => (item.note === "SMALL_SAMPLE" || item.note === "NO_CASES" ? "few" : "")}
    />
  );
}
