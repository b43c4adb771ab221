// 阶段目标: what each phase promises, whether it is kept, and what stands in its way.

import { count, due } from "../format";
import type { Target } from "../types";
import { t, tCode, type Word } from "../words";
import { CaseLink } from "./CaseLink";
import { DataTable } from "./DataTable";
import { ResultMark } from "./Mark";

const MOST = 5;

/** What a target counts where it is no case. */
const COUNTS: Record<string, Word> = { "P1-screen": "unit.units", "P3-dynamic": "unit.days", P4: "unit.units" };

export function Targets({ items }: { items: Target[] }) {
  return (
    <DataTable
      caption={t("targets.title")}
      captionHidden
      file="clearance"
      rows={items}
      columns={[
        { title: t("targets.phase"), text: (item) => item.phase },
        {
          title: t("targets.target"),
          head: true,
          text: (item) => `${item.predicate} ${tCode("target", item.predicate)}`,
          show: (item) => (
            <>
              {tCode("target", item.predicate)} <small>{item.predicate}</small>
            </>
          ),
        },
        { title: t("targets.at"), whole: true, text: (item) => due(item.at) },
        {
          title: t("targets.result"),
          text: (item) => tCode("result", item.result),
          show: (item) => <ResultMark result={item.result} />,
        },
        { title: t("targets.met"), number: true, text: (item) => `${count(item.met)} / ${count(item.of)} ${t(COUNTS[item.predicate] ?? "unit.cases")}` },
        {
          title: t("targets.way"),
          text: (item) => String(item.cases.length || item.missing?.length || 0),
          show: (item) => <InTheWay item={item} />,
        },
      ]}
    />
  );
}

function InTheWay({ item }: { item: Target }) {
  const missing = item.missing ?? [];
  if (!item.cases.length && !missing.length) return <>0</>;
  if (!item.cases.length) return <>{t("targets.missing", { n: missing.length })}</>;
  return (
    <details class="way">
      <summary>{t("targets.cases", { n: item.cases.length })}</summary>
      <ul>
        {item.cases.slice(0, MOST).map((found) => (
          <li>
            <CaseLink id={found.case_id} />
            {found.tag === "GRACE" ? ` ${t("targets.grace")}` : ""}
          </li>
        ))}
        {item.cases.length > MOST && <li>{t("targets.rest", { n: item.cases.length - MOST })}</li>}
      </ul>
    </details>
  );
}
