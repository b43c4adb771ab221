import { readPath, withQuery } from "../api";
import { count, due, left, span, time, yuan } from "../format";
import { address, ask, lang, query } from "../place";
import { Answered } from "../parts/Answered";
import { CaseLink } from "../parts/CaseLink";
import { DataTable } from "../parts/DataTable";
import { LevelMark, Overdue } from "../parts/Mark";
import { Origin } from "../parts/Origin";
import { named, unitName, useDefinitions, useRead } from "../reading";
import type { Deadline, Definitions, OneCase, Timeline, Told, Why } from "../types";
import { t, tCode } from "../words";

export function CasePage({ name }: { name: string }) {
  const definitions = useDefinitions();
  const path = readPath(`/v1/cases/${encodeURIComponent(name)}`);
  const found = useRead<OneCase>(path);
  return (
    <Answered of={found}>
      {(one) => (
        <>
          <Head of={one} definitions={definitions} />
          <section aria-labelledby="money">
            <h2 id="money">{t("case.money")}</h2>
            <Money of={one} />
            <Origin formula={t("f.lines")} path={path} field="case.lines[].claimed_fen, owed_fen, paid_fen" />
          </section>
          <section aria-labelledby="deadlines">
            <h2 id="deadlines">{t("case.deadlines")}</h2>
            <Deadlines of={one} definitions={definitions} />
            <p class="hint">{t("case.deadlines.hint")}</p>
          </section>
          <Story of={one.case.case_id} definitions={definitions} />
        </>
      )}
    </Answered>
  );
}

function Head({ of: { case: one, meta }, definitions }: { of: OneCase; definitions: Definitions | null }) {
  const facts: [string, string | null][] = [
    [t("case.received"), time(one.received_at)],
    [t("case.source"), `${named(definitions?.sources, one.source)} · ${named(definitions?.tiers, one.tier)}`],
    [t("case.employer"), one.employer?.name ?? one.employer?.uscc ?? null],
    [t("case.task_force"), one.department ?? (one.task_force && unitName(definitions, one.task_force))],
    [t("case.township"), one.township && unitName(definitions, one.township)],
    [t("case.co"), one.co_handlers?.map((code) => unitName(definitions, code)).join(lang.value === "en" ? ", " : "、") || null],
    [t("case.workers"), one.workers == null ? null : `${count(one.workers)} ${t("unit.people")}`],
    [t("case.accepted"), one.accepted_at && time(one.accepted_at)],
    [t("case.closed"), one.closed_at && `${time(one.closed_at)} ${one.closed_kind ? tCode("closed", one.closed_kind) : ""}`],
  ];
  return (
    <>
      <p>
        <a href={address("/cases")}>{t("case.back")}</a>
      </p>
      <h1>{one.number ?? t("case.unnumbered")}</h1>
      <p class="hint">
        <code>{one.case_id}</code>
      </p>
      <p class="marks">
        <span class="state">{named(definitions?.states, one.state)}</span> <LevelMark level={one.level} /> <Overdue overdue={one.overdue} />
        {one.due_at && !one.closed_at && (
          <span>
            {t("case.due")} {due(one.due_at)} · {left(one.due_at, meta.as_of)}
          </span>
        )}
      </p>
      {one.merged_into && (
        <p>
          {t("case.merged")} <CaseLink id={one.merged_into} />
        </p>
      )}
      <dl class="facts">
        {facts
          .filter(([, value]) => value)
          .map(([term, value]) => (
            <div>
              <dt>{term}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      {one.why && <Reason of={one.why} definitions={definitions} />}
    </>
  );
}

/** Routing's last decision: by which rule and what it saw, the next best, and what would flip it. */
function Reason({ of: why, definitions }: { of: Why; definitions: Definitions | null }) {
  return (
    <p class="hint">
      {t("case.why", { rule: why.rule ?? "—" })}
      {!!why.evidence?.length && (
        <>
          {" "}
          {t("case.evidence")} <code>{why.evidence.join(", ")}</code>.
        </>
      )}
      {why.runner_up && ` ${t("case.runner_up", { unit: unitName(definitions, why.runner_up.lead), rule: why.runner_up.rule })}`}
      {why.text && (
        <>
          {" "}
          <span lang="zh-CN">{why.text}</span>
        </>
      )}
    </p>
  );
}

function Money({ of: { case: one } }: { of: OneCase }) {
  const rows = [
    ...one.lines.map((line) => ({ ...line, name: t("case.line", { n: line.line }) })),
    { line: "", name: t("case.sum"), claimed_fen: one.claimed_fen, owed_fen: one.owed_fen, paid_fen: one.paid_fen },
  ];
  return (
    <DataTable
      caption={t("case.money")}
      captionHidden
      file={`case-${one.case_id.slice(0, 8)}-money`}
      rows={rows}
      rowClass={(row) => (row.line ? "" : "sum")}
      columns={[
        { title: t("case.claim"), head: true, text: (row) => row.name },
        { title: `${t("case.claimed")} (${t("unit.yuan")})`, number: true, text: (row) => yuan(row.claimed_fen) },
        { title: `${t("n.owed")} (${t("unit.yuan")})`, number: true, text: (row) => yuan(row.owed_fen) },
        { title: `${t("n.paid")} (${t("unit.yuan")})`, number: true, text: (row) => yuan(row.paid_fen) },
        {
          title: `${t("trend.rest")} (${t("unit.yuan")})`,
          number: true,
          text: (row) => yuan(row.owed_fen == null ? null : row.owed_fen - row.paid_fen),
        },
      ]}
    />
  );
}

function Deadlines({ of: { case: one, meta }, definitions }: { of: OneCase; definitions: Definitions | null }) {
  const timer = (id: string) => {
    const name = definitions?.timers.find((each) => each.id === id)?.name ?? definitions?.campaign.dates.find((each) => each.id === id)?.content;
    return name ? `${id} ${name}` : id;
  };
  const red = one.alerts.filter((alert) => alert.level >= "L3");
  // The log tells when a term begins, not what ends it: nothing is said of one that may have ended.
  const handling = one.deadlines.filter((item) => HANDLING.has(item.timer)).at(-1);
  const runs = (item: Deadline) => !one.closed_at && (item.timer === one.cap || (item === handling && IN_HAND.has(one.state)));
  const rest = (item: Deadline): string => {
    if (!item.due_at) return "";
    const late = red.some((alert) => alert.timer === item.timer && alert.step === item.step && alert.due_at === item.due_at);
    if (late) return t("due.late", { length: span(Date.parse(item.due_at) - Date.parse(meta.as_of)) });
    return runs(item) ? left(item.due_at, meta.as_of) : "";
  };
  return (
    <DataTable
      caption={t("case.deadlines")}
      captionHidden
      file={`case-${one.case_id.slice(0, 8)}-deadlines`}
      rows={one.deadlines}
      columns={[
        { title: t("case.timer"), head: true, text: (item) => [timer(item.timer), item.step && tCode("step", item.step)].filter(Boolean).join(" · ") },
        { title: t("case.started"), whole: true, text: (item) => time(item.started_at) },
        { title: t("case.due_at"), whole: true, text: (item) => due(item.due_at) },
        { title: t("case.rest"), text: rest },
        { title: t("case.cap"), text: (item) => [item.cap, item.grace].filter(Boolean).join(" ") },
        {
          title: t("case.source_law"),
          text: (item) => sourceOf(definitions, item.timer),
        },
      ]}
    />
  );
}

const HANDLING = new Set(["T09", "T18"]);
const IN_HAND = new Set(["ASSIGNED", "RETURN_REVIEW", "HANDLING"]);

/** Where a clock comes from; the book marks with [PC] what the city has set for itself. */
function sourceOf(definitions: Definitions | null, id: string): string {
  const source = definitions?.timers.find((each) => each.id === id)?.source ?? "";
  return source.replace("[PC]", t("case.own")).replace(/; (?=\S)/g, "；");
}

const LANES = ["people", "unit", "office", "clock"] as const;

/** Who speaks: the complainant's side, the unit that handles, the office and its leaders, a rule. */
function laneOf(item: Told): (typeof LANES)[number] {
  switch (item.role) {
    case "platform":
      return "people";
    case "task_force":
    case "township":
    case "inspector":
    case "police":
      return "unit";
    case null:
      return "clock";
    default:
      return "office";
  }
}

function Story({ of, definitions }: { of: string; definitions: Definitions | null }) {
  const cursor = query("cursor");
  const path = `/v1/cases/${of}/timeline`;
  // A rule's steps are most of a story; without them stands what people did.
  const acts = query("story") === "acts";
  const timeline = useRead<Timeline>(cursor ? withQuery(path, { cursor }) : readPath(path));
  return (
    <section aria-labelledby="story">
      <h2 id="story">{t("case.story")}</h2>
      <div class="choice" role="group" aria-label={t("case.story")}>
        {(["all", "acts"] as const).map((each) => (
          <button type="button" aria-pressed={acts === (each === "acts")} onClick={() => ask({ story: each === "acts" ? each : null })}>
            {t(`story.${each}`)}
          </button>
        ))}
      </div>
      <ul class="lanes-key">
        {LANES.map((lane) => (
          <li class={lane}>{t(`lane.${lane}`)}</li>
        ))}
      </ul>
      <Answered of={timeline} empty={(found) => !found.items.length}>
        {(found) => (
          <>
            <ol class="story" data-count={found.items.length}>
              {found.items.filter((item) => !acts || laneOf(item) !== "clock").map((item) => (
                <li class={laneOf(item)}>
                  <time dateTime={item.time}>{time(item.time)}</time>
                  <p>{lang.value === "en" ? item.sentence_en : item.sentence}</p>
                  <p class="hint">
                    {item.unit ? unitName(definitions, item.unit) : t("lane.clock")} · {item.type} · <code title={item.event_id}>{item.event_id.slice(0, 8)}</code>
                    {item.recorded_at !== item.time && <> · {t("case.recorded", { at: time(item.recorded_at) })}</>}
                  </p>
                </li>
              ))}
            </ol>
            {found.next && (
              <button type="button" onClick={() => ask({ cursor: found.next })}>
                {t("cases.next")}
              </button>
            )}
          </>
        )}
      </Answered>
    </section>
  );
}
