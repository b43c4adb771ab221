// Where the reader is: the address says it all, so every view is a permalink.

import { computed, signal } from "@preact/signals";

const url = signal(new URL(location.href));

addEventListener("popstate", () => {
  url.value = new URL(location.href);
});

type Lang = "zh-CN" | "en";

export const path = computed(() => url.value.pathname);
export const lang = computed<Lang>(() => (url.value.searchParams.get("lang") === "en" ? "en" : "zh-CN"));
/** RFC 3339; null is now. */
export const asOf = computed(() => url.value.searchParams.get("as_of") || null);

/** Letters in percent: 大字版 for who reads with difficulty. */
export const SIZES = [100, 125, 150] as const;
export const size = computed(() => SIZES.find((each) => String(each) === url.value.searchParams.get("size")) ?? 100);

export function query(name: string): string | null {
  return url.value.searchParams.get(name) || null;
}

/** What goes along from page to page; filters belong to their page. */
const KEPT = ["as_of", "lang", "size"];

export function address(to: string): string {
  const target = new URL(to, url.value);
  for (const name of KEPT) {
    const value = url.value.searchParams.get(name);
    if (value && !target.searchParams.has(name)) target.searchParams.set(name, value);
  }
  return target.pathname + target.search;
}

function go(next: URL): void {
  if (next.href === url.value.href) return;
  history.pushState(null, "", next);
  const turned = next.pathname !== url.value.pathname;
  url.value = next;
  if (turned) {
    scrollTo(0, 0);
    // A reader of the screen begins at the new page's heading, as after a full load.
    requestAnimationFrame(() => document.querySelector<HTMLElement>("main")?.focus());
  }
}

/** Change query parameters in place; null or "" takes one away. */
export function ask(changes: Record<string, string | null>): void {
  const next = new URL(url.value);
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.searchParams.set(name, value);
    else next.searchParams.delete(name);
  }
  go(next);
}

/** Follow links inside the page without loading it again; all else is the browser's. */
export function followLinks(): void {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    // By its attributes: a link of the map is SVG's, which has other properties than HTML's.
    const link = (event.target as Element | null)?.closest?.("a");
    const href = link?.getAttribute("href");
    if (!link || !href || href.startsWith("#") || link.hasAttribute("target") || link.hasAttribute("download")) return;
    const to = new URL(href, location.href);
    if (to.origin !== location.origin || to.pathname.startsWith("/v1/")) return;
    event.preventDefault();
    go(to);
  });
}
