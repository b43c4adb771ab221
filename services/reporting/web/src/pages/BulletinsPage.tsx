import { readPath } from "../api";
import { due, time } from "../format";
import { Answered } from "../parts/Answered";
import { DataTable } from "../parts/DataTable";
import { Download } from "../parts/Download";
import { phaseName, useDefinitions, useRead } from "../reading";
import type { Bulletins } from "../types";
import { t } from "../words";

const FORMS = ["pdf", "docx", "json"] as const;

export function BulletinsPage() {
  const definitions = useDefinitions();
  const bulletins = useRead<Bulletins>(readPath("/v1/bulletins"));
  const phase = (id: string) => {
    const found = definitions?.campaign.phases.find((each) => each.id === id);
    return found ? phaseName(found) : id;
  };
  return (
    <>
      <h1>{t("page.bulletins")}</h1>
      <p>{t("issue.what")}</p>
      <Answered of={bulletins} empty={(found) => !found.items.length}>
        {(found) => (
          <DataTable
            caption={t("page.bulletins")}
            captionHidden
            file="bulletins"
            // The last one first: it is the one that is asked for.
            rows={[...found.items].reverse()}
            columns={[
              { title: t("issue.no"), head: true, text: (item) => t("issue.nth", { n: item.no }) },
              { title: t("targets.phase"), text: (item) => phase(item.phase) },
              { title: t("issue.cut"), text: (item) => due(item.as_of) },
              { title: t("issue.out"), text: (item) => (item.published ? time(item.published.recorded_at) : item.comes_out_at ? t("issue.will", { at: time(item.comes_out_at) }) : t("issue.never")) },
              {
                title: t("issue.hash"),
                text: (item) => item.published?.hash ?? "",
                show: (item) => item.published && <code title={item.published.hash}>{item.published.hash.slice(0, 19)}…</code>,
              },
              {
                title: t("issue.files"),
                text: (item) => Object.values(item.files).join(" "),
                show: (item) => (
                  <span class="files">
                    {FORMS.map((form) => (
                      <Download path={readPath(item.files[form] ?? "")} name={`bulletin-${item.no}.${form}`} label={form.toUpperCase()} />
                    ))}
                  </span>
                ),
              },
            ]}
          />
        )}
      </Answered>
      <h2>{t("pack.title")}</h2>
      <p>{t("pack.what")}</p>
      <p class="files">
        <Download path={readPath("/v1/closing-pack.docx")} name="closing-pack.docx" label="DOCX" />
        <Download path={readPath("/v1/closing-pack.json")} name="closing-pack.json" label="JSON" />
      </p>
    </>
  );
}
