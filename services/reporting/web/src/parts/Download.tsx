// A file that needs the key: fetched by the page, saved under the name that the service gives it.

import { useState } from "preact/hooks";
import { download, Refusal } from "../api";
import { t } from "../words";

export function Download({ path, name, label }: { path: string; name: string; label: string }) {
  const [state, setState] = useState<"" | "waiting" | Refusal>("");
  const take = async () => {
    setState("waiting");
    try {
      await download(path, name);
      setState("");
    } catch (error) {
      setState(error instanceof Refusal ? error : new Refusal(0, "", String(error)));
    }
  };
  return (
    <span class="download">
      <button type="button" onClick={() => void take()} disabled={state === "waiting"}>
        {label}
      </button>
      {state === "waiting" && <span role="status">{t("loading")}</span>}
      {state instanceof Refusal && (
        <span class="refusal" role="alert">
          {state.sentence}
        </span>
      )}
    </span>
  );
}
