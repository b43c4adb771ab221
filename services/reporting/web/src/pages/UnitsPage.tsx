import { useEffect, useState } from "preact/hooks";
import { readPath } from "../api";
import { ageing, heightOf, scores, waterfall } from "../charts/units";
import { count, date, due, percent, points, startOf, wan } from "../format";
import { ask, query } from "../place";
import { Answered } from "../parts/Answered";
import { CaseLink } from "../parts/CaseLink";
import { DataTable } from "../parts/DataTable";
import { Download } from "../parts/Download";
import { Figure } from "../parts/Figure";
import { noteText } from "../parts/Mark";
import { Moves } from "../parts/Moves";
import { Origin } from "../parts/Origin";
import { Ranking } from "../parts/Ranking";
import { phaseName, unitName, useDefinitions, useRead, type Reading } from "../reading";
import { AGES, type Definitions, type Place, type Ranked, type Rankings, type Unit, type Units } from "../types";
import { t, tCode, type Word } from "../words";

export function UnitsPage() {
  const definitions = useDefinitions();
  const phase = definitions?.campaign.phases.find((each) => each.id === query("phase"));
  const span = phase ? { from: startOf(phase.first), to: startOf(phase.last, 1) } : { from: null, to: null };
  // Of a phase that has not begun there is nothing to rank.
  const begun = (first: string) => Date.parse(startOf(first)) < Date.parse(definitions?.meta.as_of ?? "");
  const asked = !phase || begun(phase.first);
  const forces = useRead<Rankings>(asked ? readPath("/v1/rankings/task-forces", span) : null);
  const townships = useRead<Rankings>(asked ? readPath("/v1/rankings/townships", span) : null);
  const units = useRead<Units>(readPath("/v1/units"));
  const ranked = [...(forces.data?.items ?? []), ...(townships.data?.items ?? [])];
  const known = ranked.length > 0;
  useEffect(() => {
    // The part that a link names is there only now.
    if (known && location.hash === "#why") document.getElementById("why")?.scrollIntoView();
  }, [known]);
  const chosen = ranked.find((item) => item.unit === query("unit")) ?? ranked[0];
  return (
    <>
      <h1>{t("page.units")}</h1>
      <div class="filters">
        <label>
          {t("rank.window")}
          <select value={phase?.id ?? ""} onChange={(event) => ask({ phase: event.currentTarget.value || null })}>
            <option value="">{t("rank.campaign")}</option>
            {definitions?.campaign.phases.map((each) => (
              <option value={each.id} disabled={!begun(each.first)}>
                {phaseName(each)}
              </option>
            ))}
          </select>
        </label>
      </div>
      {!asked && <p class="empty">{t("rank.not_begun")}</p>}
      <List id="forces" word="rank.forces" file="ranking-task-forces" of={forces} name={(item) => unitName(definitions, item.unit)} />
      <List id="townships" word="rank.townships" file="ranking-townships" of={townships} name={(item) => item.name} />
      <section aria-labelledby="moves">
        <h2 id="moves">{t("move.title")}</h2>
        <Moves name={(unit) => unitName(definitions, unit)} />
      </section>
      {chosen && (
        <section aria-labelledby="why">
          <h2 id="why">{t("why.title")}</h2>
          <Why item={chosen} all={ranked} definitions={definitions} span={span} />
        </section>
      )}
      <section aria-labelledby="ages">
        <h2 id="ages">{t("age.title")}</h2>
        <Answered of={units}>
          {(found) => (
            <>
              <Ages kind="task_force" items={found.items} definitions={definitions} />
              <Ages kind="township" items={found.items} definitions={definitions} />
            </>
          )}
        </Answered>
      </section>
    </>
  );
}

interface ListProps {
  id: string;
  word: Word;
  file: string;
  of: Reading<Rankings>;
  name: (item: Ranked) => string;
}

function List({ id, word, file, of, name }: ListProps) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{t(word)}</h2>
      <Answered of={of} empty={(found) => !found.items.length}>
        {(found) => {
          const shown = found.items.filter((item) => item.score != null);
          const best = shown[0];
          return (
            <>
              <p class="hint">{t("rank.between", { first: date(found.window.start), last: date(new Date(Date.parse(found.window.end) - 1).toISOString()) })}</p>
              <Figure
                title={t(word)}
                summary={best ? t("rank.summary", { n: shown.length, best: name(best), score: points(best.score) }) : t("empty")}
                option={scores(found.items, name)}
                height={heightOf(shown.length)}
                onPick={(picked) => {
                  const item = found.items.find((each) => name(each) === picked);
                  if (item) ask({ unit: item.unit });
                }}
              />
              <Ranking caption={t(word)} file={file} items={found.items} name={name} />
              <p class="hint">{t("rank.how")}</p>
            </>
          );
        }}
      </Answered>
    </section>
  );
}

interface WhyProps {
  item: Ranked;
  all: Ranked[];
  definitions: Definitions | null;
  span: { from: string | null; to: string | null };
}

/** One unit's score part by part: what was counted, of what, and the points it brought. */
function Why({ item, all, definitions, span }: WhyProps) {
  const name = unitName(definitions, item.unit);
  const list = item.unit.startsWith("TF") ? "task-forces" : "townships";
  const score = definitions?.score;
  const made = (part: string): string => {
    const rate = item.rates[part];
    if (rate) {
      const money = part === "recovered";
      const shown = (value: number) => (money ? wan(value) : count(value));
      return `${shown(rate.met)} / ${shown(rate.of)}${money ? ` ${t("unit.wan")}` : ""} = ${percent(rate.percent)}`;
    }
    const rule = score?.deductions[part];
    const times = item.deductions[part] ?? 0;
    return rule ? t(rule.max == null ? "why.each" : "why.most", { n: times, each: rule.each, max: rule.max ?? 0 }) : count(times);
  };
  return (
    <>
      <div class="filters">
        <label>
          {t("rank.unit")}
          <select name="unit" value={item.unit} onChange={(event) => ask({ unit: event.currentTarget.value })}>
            {all.map((each) => (
              <option value={each.unit}>{unitName(definitions, each.unit)}</option>
            ))}
          </select>
        </label>
        <Download
          path={readPath(`/v1/handouts/${encodeURIComponent(item.unit)}.xlsx`, span)}
          name={`handout-${item.unit}.xlsx`}
          label={t("why.handout")}
        />
      </div>
      {item.score == null ? (
        <p class="empty">
          {name}: {noteText(item.note)}
        </p>
      ) : (
        <Figure
          title={t("why.score", { name, score: points(item.score) })}
          summary={t("why.summary", { name, score: points(item.score), raw: points(item.raw) })}
          option={waterfall(item)}
          height={320}
        >
          <DataTable
            caption={t("why.score", { name, score: points(item.score) })}
            file={`score-${item.unit}`}
            rows={[...Object.entries(item.parts), ["raw", item.raw ?? 0] as [string, number]]}
            rowClass={([part]) => (part === "raw" ? "sum" : "")}
            columns={[
              { title: t("why.part"), head: true, text: ([part]) => (part === "raw" ? t("rank.raw") : tCode("part", part)) },
              { title: t("why.made"), text: ([part]) => (part === "raw" ? noteText(item.note) : made(part)) },
              { title: t("why.weight"), number: true, text: ([part]) => (score?.weights[part] == null ? "" : String(score.weights[part])) },
              { title: t("why.points"), number: true, text: ([, value]) => points(value) },
            ]}
          />
        </Figure>
      )}
      <Grounds unit={item.unit} span={span} />
      <Origin formula={t("f.score")} path={readPath(`/v1/rankings/${list}`, span)} field={`items[unit=${item.unit}].parts, rates, deductions`} />
    </>
  );
}

/** The cases and acts behind the score. */
function Grounds({ unit, span }: { unit: string; span: WhyProps["span"] }) {
  const [open, setOpen] = useState(false);
  const place = useRead<Place>(open ? readPath(`/v1/rankings/units/${encodeURIComponent(unit)}`, span) : null);
  const told = (met: boolean | undefined) => (met === undefined ? "—" : t(met ? "ground.met" : "ground.missed"));
  return (
    <details class="data long" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("ground.title")}</summary>
      {open && (
        <Answered of={place}>
          {(found) => (
            <>
              <DataTable
                caption={t("ground.cases")}
                file={`place-${unit}`}
                rows={found.cases}
                columns={[
                  {
                    title: t("case.number"),
                    head: true,
                    text: (item) => item.number ?? item.case_id,
                    show: (item) => <CaseLink id={item.case_id} number={item.number} />,
                  },
                  { title: t("part.cleared"), text: (item) => told(item.rates.cleared) },
                  { title: t("part.on_time"), text: (item) => told(item.rates.on_time) },
                  { title: t("part.responded"), text: (item) => told(item.rates.responded) },
                  { title: `${t("n.owed")} (${t("unit.wan")})`, number: true, text: (item) => wan(item.owed_fen) },
                  { title: `${t("n.paid")} (${t("unit.wan")})`, number: true, text: (item) => wan(item.recovered_fen) },
                  { title: t("part.ledger"), number: true, text: (item) => (item.ledger ? `${item.ledger.met} / ${item.ledger.of}` : "—") },
                ]}
              />
              <DataTable
                caption={t("ground.deductions")}
                file={`place-${unit}-deductions`}
                rows={Object.entries(found.deductions).flatMap(([part, acts]) => acts.map((act) => ({ part, ...act })))}
                columns={[
                  { title: t("why.part"), head: true, text: (act) => tCode("part", act.part) },
                  { title: t("ground.at"), text: (act) => due(act.at) },
                  {
                    title: t("ground.subject"),
                    text: (act) => act.subject,
                    show: (act) => (act.subject.includes(":") ? <code>{act.subject}</code> : <CaseLink id={act.subject} />),
                  },
                ]}
              />
            </>
          )}
        </Answered>
      )}
    </details>
  );
}

function Ages({ kind, items, definitions }: { kind: "task_force" | "township"; items: Unit[]; definitions: Definitions | null }) {
  const shown = items.filter((item) => item.kind === kind);
  const title = t(kind === "township" ? "age.townships" : "age.forces");
  const open = shown.reduce((sum, item) => sum + item.open, 0);
  const old = shown.reduce((sum, item) => sum + (item.ageing["61+"] ?? 0) + (item.ageing["31-60"] ?? 0), 0);
  return (
    <Figure
      title={title}
      summary={t("age.summary", { open, old })}
      option={ageing(shown, (item) => unitName(definitions, item.unit))}
      height={heightOf(shown.length)}
    >
      <DataTable
        caption={title}
        file={`units-${kind}`}
        rows={shown}
        columns={[
          { title: t("unit.code"), text: (item) => item.unit },
          { title: t("rank.unit"), head: true, text: (item) => unitName(definitions, item.unit) },
          { title: t("n.accepted"), number: true, text: (item) => count(item.accepted) },
          { title: t("n.open"), number: true, text: (item) => count(item.open) },
          { title: t("n.overdue"), number: true, text: (item) => count(item.overdue) },
          { title: t("n.closed"), number: true, text: (item) => count(item.closed) },
          ...AGES.map((age) => ({ title: t("age.days", { age: age.replace("-", "–") }), number: true, text: (item: Unit) => count(item.ageing[age]) })),
          { title: `${t("n.owed")} (${t("unit.wan")})`, number: true, text: (item) => wan(item.owed_fen) },
          { title: `${t("n.paid")} (${t("unit.wan")})`, number: true, text: (item) => wan(item.paid_fen) },
        ]}
      />
    </Figure>
  );
}
