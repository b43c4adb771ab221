// Asking reporting. The key is the reader's own and stays in this tab (sessionStorage).

import { effect, signal } from "@preact/signals";
import { asOf, lang } from "./place";
import type { Meta } from "./types";
import { t, tCode } from "./words";

const PLACE = "qingqian-key";
/** Milliseconds: many events at once bring one refresh of the numbers. */
const SETTLE = 800;
const AGAIN = 3_000;

export const key = signal<string | null>(sessionStorage.getItem(PLACE));
/** Why the form asks for a key again. */
export const refused = signal<string | null>(null);
/** Grows when the log has said something new. */
export const news = signal(0);
/** Of what the numbers on the page are true. */
export const stamp = signal<Meta | null>(null);
export const live = signal(false);

export function enter(given: string): void {
  sessionStorage.setItem(PLACE, given);
  refused.value = null;
  kept.clear();
  key.value = given;
}

export function leave(why: string | null = null): void {
  sessionStorage.removeItem(PLACE);
  refused.value = why;
  stamp.value = null;
  kept.clear();
  key.value = null;
}

/** An answer that is none, in the reader's words. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }

  /** A sentence: what this page says of the code, then what the service said. */
  get sentence(): string {
    const known = tCode("problem", this.code);
    const ours = known === this.code ? t("problem.other", { status: this.status }) : known;
    // The services speak English; in English their own words are enough.
    return lang.value === "en" && this.message ? `${ours} (${this.message})` : ours + (this.message ? `（${this.message}）` : "");
  }
}

async function refusal(answer: Response): Promise<Refusal> {
  try {
    const problem = (await answer.json()) as { code?: string; detail?: string; errors?: { detail?: string }[] };
    const places = (problem.errors ?? []).map((error) => error.detail).filter(Boolean);
    const detail = [...new Set([problem.detail, ...places])].filter(Boolean).join("; ");
    return new Refusal(answer.status, problem.code ?? "", detail);
  } catch {
    return new Refusal(answer.status, "", answer.statusText);
  }
}

/** Ask with the key. Throws Refusal; a refused key leads back to the form. */
export async function call(path: string, options: RequestInit = {}): Promise<Response> {
  const asked = key.value;
  let answer: Response;
  try {
    answer = await fetch(path, {
      ...options,
      headers: { ...options.headers, ...(asked ? { authorization: `Bearer ${asked}` } : {}) },
      credentials: "omit",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(0, "UNREACHED", "");
  }
  if (answer.ok) return answer;
  const problem = await refusal(answer);
  if (answer.status === 401 && asked === key.value) leave(problem.sentence);
  throw problem;
}

/** A path with its parameters; those that are null or empty are left out. */
export function withQuery(path: string, parameters: Record<string, string | null>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value) search.set(name, value);
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

/** A path of the API as of the chosen instant. */
export function readPath(path: string, parameters: Record<string, string | null> = {}): string {
  return withQuery(path, { ...parameters, as_of: asOf.value });
}

/** Answers of this state of the log: parts of a page that read the same share one request. */
const kept = new Map<string, Promise<unknown>>();

export function read<T>(path: string): Promise<T> {
  const found = kept.get(path);
  if (found) return found as Promise<T>;
  const asked = call(path).then((answer) => answer.json() as Promise<T>);
  kept.set(path, asked);
  // What went wrong is asked again by the next who wants it.
  asked.catch(() => kept.delete(path));
  return asked;
}

export function refresh(): void {
  kept.clear();
  news.value += 1;
}

/** A file behind the key, handed to the reader under its name. */
export async function download(path: string, name: string): Promise<void> {
  const answer = await call(path);
  const said = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "")?.[1];
  save(await answer.blob(), said ?? name);
}

export function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * Hear the log through `/v1/stream` (fetch, since EventSource sends no header) and refresh the
 * numbers when it speaks. With an instant chosen nothing can change, so nothing is listened to.
 */
export function listen(): void {
  effect(() => {
    if (!key.value || asOf.value) return;
    const gone = new AbortController();
    void follow(gone.signal);
    return () => gone.abort();
  });
}

async function follow(gone: AbortSignal): Promise<void> {
  let last: string | null = null;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const hear = (line: string): void => {
    if (!line.startsWith("id:")) return;
    last = line.slice(3).trim();
    waiting ??= setTimeout(() => {
      waiting = undefined;
      refresh();
    }, SETTLE);
  };
  gone.addEventListener("abort", () => clearTimeout(waiting));
  while (!gone.aborted) {
    try {
      const headers: Record<string, string> = last ? { "last-event-id": last } : {};
      const answer = await call("/v1/stream", { headers, signal: gone });
      live.value = true;
      await eachLine(answer, hear);
    } catch (error) {
      if (gone.aborted) break;
      // A position of another log: begin with what this one says from now on.
      if (error instanceof Refusal && error.status === 422) last = null;
      if (error instanceof Refusal && error.status === 401) break;
    }
    live.value = false;
    await new Promise((done) => setTimeout(done, AGAIN));
    // What was said meanwhile to nobody's hearing is in the numbers all the same.
    if (!gone.aborted && !last) refresh();
  }
  live.value = false;
}

async function eachLine(answer: Response, hear: (line: string) => void): Promise<void> {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(hear);
  }
}
