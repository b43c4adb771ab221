// A part of the page and the read it shows.

import { useEffect, useState } from "preact/hooks";
import { key, news, read, readPath, Refusal, stamp } from "./api";
import { asOf, lang } from "./place";
import type { Definitions, Meta, Named } from "./types";
import { tCode } from "./words";

export interface Reading<T> {
  data: T | null;
  error: Refusal | null;
  /** True while nothing, or only what was true before, is known. */
  waiting: boolean;
}

/** Reads a path of the API, again when the log says something new. Null reads nothing. */
export function useRead<T>(path: string | null): Reading<T> {
  const [found, setFound] = useState<{ path: string | null; data: T | null; error: Refusal | null }>({
    path: null,
    data: null,
    error: null,
  });
  // With an instant chosen the answer stands; else each piece of news asks again.
  const state = asOf.value ? 0 : news.value;
  const who = key.value;
  useEffect(() => {
    if (path === null) return;
    let current = true;
    read<T>(path).then(
      (data) => {
        if (!current) return;
        const meta = (data as { meta?: Meta }).meta;
        if (meta) stamp.value = meta;
        setFound({ path, data, error: null });
      },
      (error: unknown) => {
        if (!current) return;
        const refusal = error instanceof Refusal ? error : new Refusal(0, "", String(error));
        setFound((before) => ({ path, data: before.path === path ? before.data : null, error: refusal }));
      },
    );
    return () => {
      current = false;
    };
  }, [path, state, who]);
  const same = path !== null && found.path === path;
  return { data: same ? found.data : null, error: same ? found.error : null, waiting: path !== null && !same };
}

export function useDefinitions(): Definitions | null {
  return useRead<Definitions>(readPath("/v1/definitions")).data;
}

/** What a code is called in the reader's language; the code where the book does not say. */
export function named(items: Named[] | undefined, code: string | null | undefined): string {
  if (!code) return "—";
  const item = items?.find((each) => each.code === code);
  if (!item) return code;
  return lang.value === "en" && item.name_en ? item.name_en : item.name;
}

/** A unit: a task force with its code, since its name is a sentence; a township by its name. */
export function unitName(definitions: Definitions | null, code: string | null | undefined): string {
  if (!code) return "—";
  const force = definitions?.task_forces.find((item) => item.code === code);
  if (force) return `${code} ${shortForce(force.name)}`;
  return definitions?.townships.find((item) => item.code === code)?.name ?? code;
}

/** A task force's subject without what all their names share. */
function shortForce(name: string): string {
  return name.replace(/(工作)?专班$/, "").replace(/问题$/, "").replace(/欠薪$/, "");
}

/** A phase by its id and name; the book's name is Chinese. */
export function phaseName(phase: { id: string; name: string }): string {
  const known = tCode("phase", phase.id);
  return lang.value === "en" && known !== phase.id ? `${phase.id} ${known}` : `${phase.id} ${phase.name}`;
}
