// A read with its three other states: not there yet, refused, empty.

import type { ComponentChildren } from "preact";
import { refresh } from "../api";
import type { Reading } from "../reading";
import { t } from "../words";

interface Props<T> {
  of: Reading<T>;
  empty?: (data: T) => boolean;
  children: (data: T) => ComponentChildren;
}

export function Answered<T>({ of, empty, children }: Props<T>) {
  return (
    <>
      {of.error && (
        <p class="refusal" role="alert">
          {of.error.sentence}{" "}
          <button type="button" class="quiet" onClick={refresh}>
            {t("again")}
          </button>
        </p>
      )}
      {of.waiting && <p class="waiting" role="status">{t("loading")}</p>}
      {of.data && (empty?.(of.data) ? <p class="empty">{t("empty")}</p> : children(of.data))}
    </>
  );
}
