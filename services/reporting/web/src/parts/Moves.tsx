// 排名变化: who rose and fell since the last bulletin, and by which part of the score.

import { readPath } from "../api";
import { due, points } from "../format";
import { useRead } from "../reading";
import type { Bulletins, Moved, Movements } from "../types";
import { t, tCode } from "../words";
import { Answered } from "./Answered";
import { DataTable } from "./DataTable";

export function Moves({ name }: { name: (unit: string) => string }) {
  const bulletins = useRead<Bulletins>(readPath("/v1/bulletins"));
  const issue = bulletins.data?.items.filter((item) => Date.parse(item.as_of) < Date.parse(bulletins.data!.meta.as_of)).at(-1);
  const moved = useRead<Movements>(issue ? readPath("/v1/rankings/movements", { since: issue.as_of }) : null);
  if (bulletins.data && !issue) return <p class="empty">{t("move.none")}</p>;
  return (
    <Answered of={moved}>
      {(found) => (
        <>
          <p class="hint">{t("move.since", { n: issue!.no, at: due(found.since.as_of) })}</p>
          <Table caption={t("rank.forces")} file="movements-task-forces" items={found.task_forces} name={name} />
          <Table caption={t("rank.townships")} file="movements-townships" items={found.townships} name={name} />
        </>
      )}
    </Answered>
  );
}

interface TableProps {
  caption: string;
  file: string;
  items: Moved[];
  name: (unit: string) => string;
}

function Table({ caption, file, items, name }: TableProps) {
  return (
    <DataTable
      caption={caption}
      file={file}
      rows={items}
      columns={[
        { title: t("rank.unit"), head: true, text: (item) => name(item.unit) },
        { title: t("move.rank"), text: (item) => `${item.rank.before ?? "—"} → ${item.rank.after ?? "—"}` },
        { title: t("move.places"), text: (item) => placesOf(item) },
        { title: t("move.score"), number: true, text: (item) => change(item.score.after, item.score.before) },
        { title: t("move.parts"), text: (item) => partsOf(item) },
      ]}
    />
  );
}

/** A smaller place is a better one. */
function placesOf({ rank: { before, after } }: Moved): string {
  if (before == null || after == null || before === after) return t("move.same");
  return before > after ? t("move.up", { n: before - after }) : t("move.down", { n: after - before });
}

function signed(value: number): string {
  return (value > 0 ? "+" : "") + points(value);
}

function change(after: number | null, before: number | null): string {
  return after == null || before == null ? "—" : signed(after - before);
}

function partsOf({ parts }: Moved): string {
  return Object.entries(parts)
    .filter(([, value]) => Math.abs(value) >= 0.005)
    .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a))
    .map(([part, value]) => `${tCode("part", part)} ${signed(value)}`)
    .join(" · ");
}
