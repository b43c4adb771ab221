import { readPath, withQuery } from "../api";
import { count, date, due, left, wan } from "../format";
import { address, ask, query } from "../place";
import { Answered } from "../parts/Answered";
import { CaseLink } from "../parts/CaseLink";
import { DataTable } from "../parts/DataTable";
import { LevelMark, levelText, Overdue, overdueText } from "../parts/Mark";
import { named, unitName, useDefinitions, useRead } from "../reading";
import type { Case, Cases, Definitions, Level, Overview } from "../types";
import { t, type Word } from "../words";

const FILTERS = ["q", "task_force", "township", "department", "state", "level", "tier", "source", "overdue", "open"] as const;
const PAGE = "50";

export function CasesPage() {
  const definitions = useDefinitions();
  const cursor = query("cursor");
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query(name)]));
  // A cursor pins the instant that its list began with, so none is sent beside it.
  const path = cursor ? withQuery("/v1/cases", { ...filters, limit: PAGE, cursor }) : readPath("/v1/cases", { ...filters, limit: PAGE });
  const cases = useRead<Cases>(path);
  return (
    <>
      <h1>{t("page.cases")}</h1>
      <Queues />
      <Filters definitions={definitions} />
      <Answered of={cases} empty={(found) => !found.items.length}>
        {(found) => (
          <>
            {found.total !== null && <p data-number="total">{t("cases.total", { n: count(found.total) })}</p>}
            <List items={found.items} now={found.meta.as_of} definitions={definitions} />
            <p class="pages">
              {cursor && (
                <button type="button" onClick={() => ask({ cursor: null })}>
                  {t("cases.first")}
                </button>
              )}
              {found.next && (
                <button type="button" onClick={() => ask({ cursor: found.next })}>
                  {t("cases.next")}
                </button>
              )}
            </p>
          </>
        )}
      </Answered>
    </>
  );
}

/** What the office decides today, one click away. */
const QUEUES: [Word, Record<string, string>][] = [
  ["queue.triage", { state: "TRIAGE" }],
  ["queue.returns", { state: "RETURN_REVIEW" }],
  ["queue.review", { state: "CLOSURE_REVIEW" }],
  ["queue.follow_up", { state: "FOLLOW_UP" }],
  ["n.overdue", { overdue: "true" }],
  ["n.open", { open: "true" }],
];

function Queues() {
  const overview = useRead<Overview>(readPath("/v1/overview")).data;
  if (!overview) return null;
  const waiting = (query: Record<string, string>) => (query.state ? (overview.by_state[query.state] ?? 0) : query.open ? overview.open : overview.overdue);
  return (
    <nav class="queues" aria-label={t("queue.title")}>
      {QUEUES.map(([word, query]) => (
        <a href={address(withQuery("/cases", query))}>
          {t(word)} <strong>{count(waiting(query))}</strong>
        </a>
      ))}
    </nav>
  );
}

function Filters({ definitions }: { definitions: Definitions | null }) {
  const change = (name: string, value: string) => ask({ [name]: value || null, cursor: null });
  const choice = (name: (typeof FILTERS)[number], word: Word, items: { code: string; text: string }[]) => {
    const value = query(name) ?? "";
    const known = !value || items.some((item) => item.code === value);
    return (
      <label>
        {t(word)}
        <select name={name} value={value} onChange={(event) => change(name, event.currentTarget.value)}>
          <option value="">{t("filter.all")}</option>
          {!known && <option value={value}>{value}</option>}
          {items.map((item) => (
            <option value={item.code}>{item.text}</option>
          ))}
        </select>
      </label>
    );
  };
  const of = (items: { code: string; name: string; name_en?: string }[] | undefined) =>
    (items ?? []).map((item) => ({ code: item.code, text: named(items, item.code) }));
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()} aria-label={t("filter.title")}>
      <label>
        {t("filter.q")}
        <input type="search" name="q" maxLength={64} value={query("q") ?? ""} onChange={(event) => change("q", event.currentTarget.value.trim())} />
      </label>
      {choice("task_force", "case.task_force", (definitions?.task_forces ?? []).map((item) => ({ code: item.code, text: unitName(definitions, item.code) })))}
      {choice("township", "case.township", of(definitions?.townships))}
      {choice("department", "case.department", (definitions?.departments ?? []).map((item) => ({ code: item.name, text: item.name })))}
      {choice("state", "case.state", of(definitions?.states))}
      {choice("level", "level.level", (definitions?.levels ?? []).map((item) => ({ code: item.code, text: levelText(item.code as Level) })))}
      {choice("tier", "case.tier", of(definitions?.tiers))}
      {choice("source", "case.source", of(definitions?.sources))}
      {choice("overdue", "n.overdue", [
        { code: "true", text: t("overdue.yes") },
        { code: "false", text: t("overdue.no") },
      ])}
      {choice("open", "n.open", [
        { code: "true", text: t("open.yes") },
        { code: "false", text: t("open.no") },
      ])}
      <button type="button" class="quiet" onClick={() => ask(Object.fromEntries([...FILTERS, "cursor"].map((name) => [name, null])))}>
        {t("filter.clear")}
      </button>
    </form>
  );
}

interface ListProps {
  items: Case[];
  /** The instant of which the list is true. */
  now: string;
  definitions: Definitions | null;
}

function List({ items, now, definitions }: ListProps) {
  const rest = (item: Case) => (item.due_at && !item.closed_at ? left(item.due_at, now) : "");
  return (
    <DataTable
      caption={t("page.cases")}
      captionHidden
      file="cases"
      rows={items}
      rowClass={(item) => (item.overdue ? "late" : "")}
      columns={[
        {
          title: t("case.number"),
          head: true,
          text: (item) => item.number ?? item.case_id,
          show: (item) => <CaseLink id={item.case_id} number={item.number} />,
        },
        { title: t("case.received"), whole: true, text: (item) => date(item.received_at) },
        { title: t("case.source"), text: (item) => named(definitions?.sources, item.source) },
        { title: t("case.task_force"), text: (item) => item.department ?? item.task_force ?? "—" },
        { title: t("case.township"), whole: true, text: (item) => unitName(definitions, item.township) },
        { title: t("case.state"), text: (item) => named(definitions?.states, item.state) },
        { title: t("level.level"), text: (item) => levelText(item.level), show: (item) => <LevelMark level={item.level} /> },
        {
          title: t("case.due"),
          text: (item) => [due(item.due_at), rest(item), overdueText(item.overdue)].filter(Boolean).join(" "),
          show: (item) => (
            <>
              {due(item.due_at)}
              <small class="block">
                <Overdue overdue={item.overdue} /> {rest(item)}
              </small>
            </>
          ),
        },
        { title: `${t("case.workers")} (${t("unit.people")})`, number: true, text: (item) => count(item.workers) },
        { title: `${t("n.owed")} (${t("unit.wan")})`, number: true, text: (item) => wan(item.owed_fen ?? item.claimed_fen) },
        { title: `${t("n.paid")} (${t("unit.wan")})`, number: true, text: (item) => wan(item.paid_fen) },
      ]}
    />
  );
}
