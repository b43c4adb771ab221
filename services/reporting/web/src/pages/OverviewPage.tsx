import { useState } from "preact/hooks";
import { readPath } from "../api";
import { burndown, points, type Measure } from "../charts/burndown";
import { count, day, share, wan } from "../format";
import { address, ask, query } from "../place";
import { Answered } from "../parts/Answered";
import { DataTable } from "../parts/DataTable";
import { Figure } from "../parts/Figure";
import { LevelMark, LEVELS, levelText } from "../parts/Mark";
import { Origin } from "../parts/Origin";
import { Ranking } from "../parts/Ranking";
import { Targets } from "../parts/Targets";
import { TileMap, type Shown } from "../parts/TileMap";
import { phaseName, unitName, useDefinitions, useRead } from "../reading";
import type { Clearance, Definitions, Overview, Rankings, Trend, Unit, Units, Warnings } from "../types";
import { t, type Word } from "../words";

const HEAD = 5;

export function OverviewPage() {
  const definitions = useDefinitions();
  const overview = useRead<Overview>(readPath("/v1/overview"));
  const clearance = useRead<Clearance>(readPath("/v1/clearance"));
  const forces = useRead<Rankings>(readPath("/v1/rankings/task-forces"));
  const townships = useRead<Rankings>(readPath("/v1/rankings/townships"));
  const warnings = useRead<Warnings>(readPath("/v1/warnings"));
  const units = useRead<Units>(readPath("/v1/units"));
  return (
    <>
      <h1>{t("page.overview")}</h1>
      <Answered of={overview}>{(found) => <Numbers of={found} definitions={definitions} />}</Answered>

      <section aria-labelledby="trend">
        <h2 id="trend">{t("trend.title")}</h2>
        {definitions && <BurnDown definitions={definitions} />}
      </section>

      <section aria-labelledby="targets">
        <h2 id="targets">{t("targets.title")}</h2>
        <Answered of={clearance} empty={(found) => !found.items.length}>
          {(found) => <Targets items={found.items} />}
        </Answered>
      </section>

      <div class="two">
        <section aria-labelledby="forces">
          <h2 id="forces">{t("rank.forces")}</h2>
          <Answered of={forces} empty={(found) => !found.items.length}>
            {(found) => (
              <Ranking
                brief
                caption={t("rank.forces")}
                file="ranking-task-forces-head"
                items={found.items.slice(0, HEAD)}
                name={(item) => unitName(definitions, item.unit)}
              />
            )}
          </Answered>
        </section>
        <section aria-labelledby="townships">
          <h2 id="townships">{t("rank.townships")}</h2>
          <Answered of={townships} empty={(found) => !found.items.length}>
            {(found) => (
              <Ranking
                brief
                caption={t("rank.townships")}
                file="ranking-townships-head"
                items={found.items.slice(0, HEAD)}
                name={(item) => item.name}
              />
            )}
          </Answered>
        </section>
      </div>
      <p>
        <a href={address("/units")}>{t("rank.all")}</a>
      </p>

      <div class="two">
        <section aria-labelledby="where">
          <h2 id="where">{t("map.title")}</h2>
          <Answered of={units}>{(found) => <Where items={found.items.filter((item) => item.kind === "township")} />}</Answered>
        </section>
        <section aria-labelledby="levels">
          <h2 id="levels">{t("level.title")}</h2>
          <Answered of={overview}>{(found) => <Levels of={found} />}</Answered>
          <h2>{t("warn.title")}</h2>
          <Answered of={warnings}>{(found) => <Prevention of={found} />}</Answered>
        </section>
      </div>
    </>
  );
}

/** The numbers of a leader's first look: what it is, how it is made, which field it is. */
function Numbers({ of, definitions }: { of: Overview; definitions: Definitions | null }) {
  const path = readPath("/v1/overview");
  const phase = definitions?.campaign.phases.find((each) => each.id === of.phase);
  const cards: { name: string; word: Word; value: string; unit: string; more?: string; formula: Word; field: string; to?: string; bad?: boolean }[] = [
    { name: "open", word: "n.open", value: count(of.open), unit: t("unit.cases"), formula: "f.open", field: "open", to: "/cases?open=true", more: t("n.listed") },
    { name: "accepted", word: "n.accepted", value: count(of.accepted), unit: t("unit.cases"), more: t("n.of_received", { n: count(of.received) }), formula: "f.accepted", field: "accepted, received" },
    { name: "closed", word: "n.closed", value: count(of.closed), unit: t("unit.cases"), more: t("n.written_off", { n: count(of.written_off) }), formula: "f.closed", field: "closed, written_off" },
    { name: "overdue", word: "n.overdue", value: count(of.overdue), unit: t("unit.cases"), more: t("n.of_open", { n: share(of.overdue, of.open) }), formula: "f.overdue", field: "overdue", to: "/cases?overdue=true", bad: of.overdue > 0 },
    { name: "paid", word: "n.paid", value: wan(of.paid_fen), unit: t("unit.wan"), more: t("n.of_owed", { n: wan(of.owed_fen), share: share(of.paid_fen, of.owed_fen) }), formula: "f.paid", field: "paid_fen, owed_fen" },
    { name: "workers", word: "n.workers", value: count(of.workers_paid), unit: t("unit.people"), more: t("n.of_workers", { n: count(of.workers) }), formula: "f.workers", field: "workers_paid, workers" },
  ];
  return (
    <section aria-labelledby="numbers">
      <h2 id="numbers" class="hidden">
        {t("n.title")}
      </h2>
      <p class="lead">
        {phase
          ? t("campaign.phase", { name: phaseName(phase), first: day(phase.first), last: day(phase.last) })
          : t(`campaign.${of.campaign.stands}`, { first: day(of.campaign.first), last: day(of.campaign.last) })}
      </p>
      <div class="cards">
        {cards.map((card) => (
          <div class={`card ${card.bad ? "bad" : ""}`}>
            <h3>{t(card.word)}</h3>
            <p class="big">
              <span data-number={card.name}>{card.value}</span> <small>{card.unit}</small>
            </p>
            <p class="more">
              {card.to ? <a href={address(card.to)}>{card.more}</a> : (card.more ?? "\u00a0")}
            </p>
            <Origin formula={t(card.formula)} path={path} field={card.field} />
          </div>
        ))}
      </div>
    </section>
  );
}

function BurnDown({ definitions }: { definitions: Definitions }) {
  const trend = useRead<Trend>(readPath("/v1/trend"));
  const measure: Measure = query("measure") === "amount" ? "amount" : "cases";
  return (
    <Answered of={trend} empty={(found) => !found.items.length}>
      {(found) => {
        const shown = points(found.items, definitions.campaign.phases, measure);
        const last = shown.at(-1)!;
        const text = (value: number | null) => (measure === "cases" ? (value == null ? "—" : String(Math.round(value * 10) / 10)) : wan(value));
        return (
          <Figure
            title={measure === "cases" ? t("trend.cases") : t("trend.amount")}
            summary={t("trend.summary", { day: day(last.day), open: text(last.open), plan: text(last.plan) })}
            option={burndown(shown, definitions, measure)}
            height={340}
            long
            tools={
              <div class="choice" role="group" aria-label={t("trend.measure")}>
                {(["cases", "amount"] as const).map((each) => (
                  <button type="button" aria-pressed={measure === each} onClick={() => ask({ measure: each === "cases" ? null : each })}>
                    {t(`trend.by.${each}`)}
                  </button>
                ))}
              </div>
            }
          >
            <DataTable
              caption={t("trend.title")}
              file="trend"
              rows={found.items.map((item, index) => ({ ...item, point: shown[index]! }))}
              columns={[
                { title: t("trend.day"), head: true, text: (row) => day(row.day) },
                { title: t("n.received"), number: true, text: (row) => count(row.received) },
                { title: t("n.accepted"), number: true, text: (row) => count(row.accepted) },
                { title: t("n.closed"), number: true, text: (row) => count(row.closed) },
                { title: t("n.open"), number: true, text: (row) => count(row.open) },
                { title: t("n.overdue"), number: true, text: (row) => count(row.overdue) },
                { title: `${t("n.owed")} (${t("unit.wan")})`, number: true, text: (row) => wan(row.owed_fen) },
                { title: `${t("n.paid")} (${t("unit.wan")})`, number: true, text: (row) => wan(row.paid_fen) },
                { title: t("trend.plan"), number: true, text: (row) => text(row.point.plan) },
              ]}
            />
          </Figure>
        );
      }}
    </Answered>
  );
}

function Where({ items }: { items: Unit[] }) {
  const shown: Shown = query("map") === "overdue" ? "overdue" : "open";
  return (
    <figure class="figure">
      <figcaption>
        <h3>{t(`map.${shown}`)}</h3>
        <div class="choice" role="group" aria-label={t("map.shown")}>
          {(["open", "overdue"] as const).map((each) => (
            <button type="button" aria-pressed={shown === each} onClick={() => ask({ map: each === "open" ? null : each })}>
              {t(`n.${each}`)}
            </button>
          ))}
        </div>
      </figcaption>
      <TileMap
        shown={shown}
        values={new Map(items.map((item) => [item.unit, item[shown]]))}
        names={(code) => items.find((item) => item.unit === code)?.name ?? code}
      />
      <details class="data">
        <summary>{t("chart.table")}</summary>
        <DataTable
          caption={t("map.title")}
          file="townships"
          rows={items}
          columns={[
            { title: t("unit.code"), text: (item) => item.unit },
            { title: t("rank.unit"), head: true, text: (item) => item.name },
            { title: t("n.accepted"), number: true, text: (item) => count(item.accepted) },
            { title: t("n.open"), number: true, text: (item) => count(item.open) },
            { title: t("n.overdue"), number: true, text: (item) => count(item.overdue) },
            { title: t("n.closed"), number: true, text: (item) => count(item.closed) },
          ]}
        />
      </details>
    </figure>
  );
}

function Levels({ of }: { of: Overview }) {
  const rows = LEVELS.map((level) => ({ level, n: of.open_by_level[level] ?? 0 }));
  return (
    <DataTable
      caption={t("level.title")}
      captionHidden
      file="levels"
      rows={rows}
      columns={[
        {
          title: t("level.level"),
          head: true,
          text: (row) => levelText(row.level),
          show: (row) => <LevelMark level={row.level} />,
        },
        {
          title: `${t("level.count")} (${t("unit.cases")})`,
          number: true,
          text: (row) => count(row.n),
          show: (row) => (row.n && row.level !== "L0" ? <a href={address(`/cases?level=${row.level}&open=true`)}>{count(row.n)}</a> : count(row.n)),
        },
      ]}
    />
  );
}

function Prevention({ of }: { of: Warnings }) {
  const [all, setAll] = useState(false);
  const cases = new Set(of.items.flatMap((item) => item.cases));
  return (
    <>
      <p>{t("warn.count", { n: of.items.length, cases: cases.size })}</p>
      <DataTable
        caption={t("warn.title")}
        captionHidden
        file="warnings"
        rows={all ? of.rules : of.rules.filter((rule) => rule.hits)}
        columns={[
          { title: t("warn.rule"), head: true, text: (rule) => `${rule.rule} ${rule.name}` },
          { title: t("warn.hits"), number: true, text: (rule) => count(rule.hits) },
        ]}
      />
      <button type="button" class="quiet" aria-expanded={all} onClick={() => setAll(!all)}>
        {t(all ? "warn.some" : "warn.all")}
      </button>
    </>
  );
}
