import { readPath, stamp } from "../api";
import { count, time } from "../format";
import { Answered } from "../parts/Answered";
import { DataTable } from "../parts/DataTable";
import { Download } from "../parts/Download";
import { useDefinitions, useRead } from "../reading";
import type { Checkpoint, Checkpoints } from "../types";
import { t } from "../words";

const LEDGERS = ["problems", "clearance", "told", "supervision", "referral", "returns"] as const;

export function AuditPage() {
  const definitions = useDefinitions();
  const checkpoints = useRead<Checkpoints>(readPath("/v1/checkpoints"));
  const meta = stamp.value;
  return (
    <>
      <h1>{t("page.audit")}</h1>
      <p>{t("audit.what")}</p>
      {meta && (
        <section aria-labelledby="cut">
          <h2 id="cut">{t("audit.cut")}</h2>
          <dl class="facts">
            <div>
              <dt>{t("as_of")}</dt>
              <dd>{time(meta.as_of)}</dd>
            </div>
            <div>
              <dt>{t("stamp.policy")}</dt>
              <dd>
                <code>{meta.policy}</code>
              </dd>
            </div>
            {definitions && (
              <div>
                <dt>{t("audit.document")}</dt>
                <dd lang="zh-CN">
                  {definitions.campaign.title} {definitions.campaign.document}
                </dd>
              </div>
            )}
          </dl>
          <Positions position={meta.position} />
        </section>
      )}
      <section aria-labelledby="ledgers">
        <h2 id="ledgers">{t("ledger.title")}</h2>
        <p>{t("ledger.what")}</p>
        <p class="files">
          {LEDGERS.map((name) => (
            <Download path={readPath(`/v1/ledgers/${name}.xlsx`)} name={`${name}.xlsx`} label={t(`ledger.${name}`)} />
          ))}
        </p>
      </section>
      <section aria-labelledby="checkpoints">
        <h2 id="checkpoints">{t("check.title")}</h2>
        <p>{t("check.what")}</p>
        <Answered of={checkpoints} empty={(found) => !found.items.length}>
          {(found) => (
            <>
              <DataTable
                caption={t("check.title")}
                captionHidden
                file="checkpoints"
                rows={found.items}
                columns={[
                  { title: t("check.at"), head: true, text: (item) => time(item.recorded_at) },
                  { title: t("check.records"), number: true, text: (item) => count(records(item)) },
                  { title: t("check.key"), text: (item) => item.key_id, show: (item) => <code title={item.key_id}>{item.key_id.slice(0, 16)}…</code> },
                  { title: t("check.signature"), text: (item) => item.signature, show: (item) => <code title={item.signature}>{item.signature.slice(0, 16)}…</code> },
                ]}
              />
              <details class="data">
                <summary>{t("check.roots")}</summary>
                <DataTable
                  caption={t("check.roots")}
                  file="checkpoint-roots"
                  rows={Object.entries(found.items[0]!.roots).sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))}
                  columns={[
                    { title: t("check.partition"), head: true, text: ([partition]) => partition },
                    { title: t("check.records"), number: true, text: ([partition]) => count(found.items[0]!.positions[partition]) },
                    { title: t("check.root"), text: ([, root]) => root, show: ([, root]) => <code>{root}</code> },
                  ]}
                />
              </details>
            </>
          )}
        </Answered>
        <p>{t("audit.commands")}</p>
        <pre tabIndex={0}>
          {"qingqian audit\nqingqian audit --log .qingqian/export.jsonl\nqingqian explain CASE_ID\nqingqian whatif --policy FILE --log .qingqian/export.jsonl"}
        </pre>
      </section>
    </>
  );
}

function records(item: Checkpoint): number {
  return Object.values(item.positions).reduce((sum, next) => sum + next, 0);
}

function Positions({ position }: { position: string }) {
  const rows = position.split(".").map((next, partition) => ({ partition, next: Number(next) }));
  return (
    <details class="data">
      <summary>{t("audit.positions", { n: count(rows.reduce((sum, row) => sum + row.next, 0)) })}</summary>
      <DataTable
        caption={t("stamp.position")}
        file="positions"
        rows={rows}
        columns={[
          { title: t("check.partition"), head: true, text: (row) => `case-events/${row.partition}` },
          { title: t("check.records"), number: true, text: (row) => count(row.next) },
        ]}
      />
    </details>
  );
}
