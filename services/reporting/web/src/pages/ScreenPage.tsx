// 大屏: one wall of numbers, 16:9, without scrolling; what lies below them takes turns.

import { useEffect, useState } from "preact/hooks";
import { readPath, stamp } from "../api";
import { burndown, points } from "../charts/burndown";
import { scores } from "../charts/units";
import { count, share, time, wan } from "../format";
import { address } from "../place";
import { Drawing } from "../parts/Figure";
import { LevelMark, LEVELS, ResultMark } from "../parts/Mark";
import { TileMap } from "../parts/TileMap";
import { unitName, useDefinitions, useRead } from "../reading";
import type { Clearance, Overview, Rankings, Trend, Units } from "../types";
import { t, tCode, type Word } from "../words";

const VIEWS = ["trend", "map", "forces", "townships", "targets"] as const;
const TITLES: Record<(typeof VIEWS)[number], Word> = {
  trend: "trend.title",
  map: "map.title",
  forces: "rank.forces",
  townships: "rank.townships",
  targets: "targets.title",
};
const TURN = 12_000;

export function ScreenPage() {
  const [view, setView] = useState(0);
  // Whoever asked their system for less motion turns the pages by hand.
  const [turning, setTurning] = useState(() => !matchMedia("(prefers-reduced-motion: reduce)").matches);
  useEffect(() => {
    if (!turning) return;
    const clock = setInterval(() => setView((before) => (before + 1) % VIEWS.length), TURN);
    return () => clearInterval(clock);
  }, [turning, view]);
  const overview = useRead<Overview>(readPath("/v1/overview"));
  const meta = stamp.value;
  const shown = VIEWS[view]!;
  return (
    <div class="wall">
      <header>
        <h1>{t("title")}</h1>
        <p>{meta && t("stamp", { at: time(meta.as_of) })}</p>
        <nav aria-label={t("screen.views")}>
          {VIEWS.map((each, index) => (
            <button type="button" aria-pressed={index === view} onClick={() => setView(index)}>
              {t(TITLES[each])}
            </button>
          ))}
          <button type="button" aria-pressed={turning} onClick={() => setTurning(!turning)}>
            {t(turning ? "screen.stop" : "screen.turn")}
          </button>
          <a href={address("/")}>{t("screen.leave")}</a>
        </nav>
      </header>
      {overview.error && (
        <p class="refusal" role="alert">
          {overview.error.sentence}
        </p>
      )}
      {overview.data && <Wall of={overview.data} />}
      <main tabIndex={-1} aria-labelledby="view">
        <h2 id="view">{t(TITLES[shown])}</h2>
        <div class="view">
          <View of={shown} />
        </div>
      </main>
    </div>
  );
}

function Wall({ of }: { of: Overview }) {
  const numbers: [Word, string, string][] = [
    ["n.open", count(of.open), t("unit.cases")],
    ["n.accepted", count(of.accepted), t("unit.cases")],
    ["n.closed", count(of.closed), t("unit.cases")],
    ["n.overdue", count(of.overdue), t("unit.cases")],
    ["n.paid", wan(of.paid_fen), t("unit.wan")],
    ["n.paid_share", share(of.paid_fen, of.owed_fen), ""],
    ["n.workers", count(of.workers_paid), t("unit.people")],
  ];
  return (
    <section class="numbers" aria-label={t("n.title")}>
      {numbers.map(([word, value, unit]) => (
        <div class={word === "n.overdue" && of.overdue ? "bad" : ""}>
          <p>{t(word)}</p>
          <p class="big">
            <span data-number={word.slice(2)}>{value}</span> <small>{unit}</small>
          </p>
        </div>
      ))}
      <ul class="levels" aria-label={t("level.title")}>
        {LEVELS.filter((level) => level !== "L0" && of.open_by_level[level]).map((level) => (
          <li>
            <LevelMark level={level} /> {count(of.open_by_level[level])}
          </li>
        ))}
      </ul>
    </section>
  );
}

function View({ of }: { of: (typeof VIEWS)[number] }) {
  const definitions = useDefinitions();
  const trend = useRead<Trend>(of === "trend" ? readPath("/v1/trend") : null);
  const units = useRead<Units>(of === "map" ? readPath("/v1/units") : null);
  const ranking = useRead<Rankings>(
    of === "forces" ? readPath("/v1/rankings/task-forces") : of === "townships" ? readPath("/v1/rankings/townships") : null,
  );
  const clearance = useRead<Clearance>(of === "targets" ? readPath("/v1/clearance") : null);
  switch (of) {
    case "trend": {
      if (!trend.data?.items.length || !definitions) return null;
      const shown = points(trend.data.items, definitions.campaign.phases, "cases");
      return <Drawing dark summary={t("trend.title")} option={burndown(shown, definitions, "cases", true)} height="100%" />;
    }
    case "map": {
      const townships = units.data?.items.filter((item) => item.kind === "township") ?? [];
      const map = (shown: "open" | "overdue") => (
        <div>
          <h3>{t(`map.${shown}`)}</h3>
          <TileMap
            shown={shown}
            values={new Map(townships.map((item) => [item.unit, item[shown]]))}
            names={(code) => townships.find((item) => item.unit === code)?.name ?? code}
          />
        </div>
      );
      return (
        <div class="pair">
          {map("open")}
          {map("overdue")}
        </div>
      );
    }
    case "forces":
    case "townships":
      if (!ranking.data) return null;
      return (
        <Drawing
          dark
          summary={t(TITLES[of])}
          option={scores(ranking.data.items, (item) => `${item.rank ?? "—"}  ${unitName(definitions, item.unit)}`, true)}
          height="100%"
        />
      );
    case "targets":
      return (
        <table>
          <thead>
            <tr>
              <th scope="col">{t("targets.phase")}</th>
              <th scope="col">{t("targets.target")}</th>
              <th scope="col">{t("targets.result")}</th>
              <th scope="col" class="number">
                {t("targets.met")}
              </th>
            </tr>
          </thead>
          <tbody>
            {clearance.data?.items.map((item) => (
              <tr>
                <td>{item.phase}</td>
                <th scope="row">{tCode("target", item.predicate)}</th>
                <td>
                  <ResultMark result={item.result} />
                </td>
                <td class="number">
                  {count(item.met)} / {count(item.of)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      );
  }
}
