// 这个数怎么来的: the formula, of what it is true, and the call that gives it again.

import { stamp } from "../api";
import { time } from "../format";
import { t } from "../words";

export function Origin({ formula, path, field }: { formula: string; path: string; field: string }) {
  const meta = stamp.value;
  return (
    <details class="origin">
      <summary>{t("origin")}</summary>
      <dl>
        <dt>{t("origin.formula")}</dt>
        <dd>{formula}</dd>
        <dt>{t("origin.call")}</dt>
        <dd>
          <code>GET {path}</code>
          <br />
          <code>{field}</code>
        </dd>
        {meta && (
          <>
            <dt>{t("stamp.position")}</dt>
            <dd>
              {time(meta.as_of)} · <code>{meta.position}</code>
            </dd>
          </>
        )}
      </dl>
    </details>
  );
}
