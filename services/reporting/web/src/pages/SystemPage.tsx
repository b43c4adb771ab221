import { useEffect, useState } from "preact/hooks";
import { call, news, Refusal } from "../api";
import { count, time } from "../format";
import { samples, type Samples } from "../metrics";
import { DataTable } from "../parts/DataTable";
import type { Ready } from "../types";
import { t, type Word } from "../words";

const EVERY = 5_000;
const SHOWN: [metric: string, word: Word][] = [
  ["qingqian_lag_seconds", "system.lag"],
  ["qingqian_undecided_streams", "system.undecided"],
  ["qingqian_parked_total", "system.parked"],
  ["qingqian_overdue_cases", "n.overdue"],
];

interface State {
  ready: Ready | null;
  found: Samples | null;
  error: string | null;
}

/** The service's own word; it is always of now, whatever instant is chosen for the rest. */
export function SystemPage() {
  const [state, setState] = useState<State>({ ready: null, found: null, error: null });
  useEffect(() => {
    const gone = new AbortController();
    const look = async () => {
      try {
        // Not ready is an answer too: 503 with the reason in the same shape.
        const ready = (await (await fetch("/readyz", { signal: gone.signal })).json()) as Ready;
        const found = samples(await (await call("/metrics", { signal: gone.signal })).text());
        setState({ ready, found, error: null });
      } catch (error) {
        if (gone.signal.aborted) return;
        const sentence = error instanceof Refusal ? error.sentence : t("problem.UNREACHED");
        setState((before) => ({ ...before, error: sentence }));
      }
    };
    void look();
    const clock = setInterval(() => void look(), EVERY);
    return () => {
      clearInterval(clock);
      gone.abort();
    };
  }, [news.value]);
  const { ready, found, error } = state;
  return (
    <>
      <h1>{t("page.system")}</h1>
      <p class="hint">{t("system.what")}</p>
      {error && (
        <p class="refusal" role="alert">
          {error}
        </p>
      )}
      {!ready && !error && <p class="waiting" role="status">{t("loading")}</p>}
      {ready && (
        <>
          <p class="marks">
            <span class={`mark ${ready.ready ? "green" : "red"}`} data-number="ready">
              <span aria-hidden="true">{ready.ready ? "✔" : "✘"}</span> {t(ready.ready ? "system.ready" : "system.unready")}
            </span>
            {ready.reason && <span lang="en">{ready.reason}</span>}
          </p>
          <DataTable
            caption={t("page.system")}
            captionHidden
            file="system"
            rows={[
              [t("system.clock"), time(ready.clock)],
              [t("system.next_due"), time(ready.next_due)],
              [t("system.owed"), count(ready.owed)],
              ...SHOWN.filter(([metric]) => found?.has(metric)).map(([metric, word]) => [t(word), count(found!.get(metric))]),
            ]}
            columns={[
              { title: t("system.name"), head: true, text: (row) => row[0]! },
              { title: t("system.value"), number: true, text: (row) => row[1]! },
            ]}
          />
          <h2>{t("stamp.position")}</h2>
          <DataTable
            caption={t("stamp.position")}
            captionHidden
            file="system-positions"
            rows={Object.entries(ready.positions).sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))}
            columns={[
              { title: t("check.partition"), head: true, text: ([partition]) => partition },
              { title: t("check.records"), number: true, text: ([, next]) => count(next) },
            ]}
          />
        </>
      )}
      <p>
        <a href="/readyz" target="_blank">/readyz</a> · <a href="/metrics" target="_blank">/metrics</a> ·{" "}
        <a href="/openapi.json" target="_blank">/openapi.json</a>
      </p>
    </>
  );
}
