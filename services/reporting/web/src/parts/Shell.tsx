// What every page has: the way about, the instant, the language, and of what the numbers are true.

import type { ComponentChildren } from "preact";
import { leave, live, stamp } from "../api";
import { asLocal, ofLocal, time } from "../format";
import { address, ask, asOf, lang, path, size, SIZES } from "../place";
import { t, type Word } from "../words";

const PAGES: [string, Word][] = [
  ["/", "page.overview"],
  ["/cases", "page.cases"],
  ["/units", "page.units"],
  ["/bulletins", "page.bulletins"],
  ["/audit", "page.audit"],
  ["/system", "page.system"],
  ["/screen", "page.screen"],
];

export function Shell({ children }: { children: ComponentChildren }) {
  return (
    <>
      <a class="skip" href="#main">
        {t("skip")}
      </a>
      <header class="top">
        <p class="name">{t("title")}</p>
        <nav aria-label={t("nav")}>
          {PAGES.map(([to, word]) => (
            <a href={address(to)} aria-current={here(to) ? "page" : undefined}>
              {t(word)}
            </a>
          ))}
        </nav>
        <div class="switches">
          <AsOf />
          <Size />
          <Language />
          <button type="button" class="quiet" onClick={() => print()}>
            {t("print")}
          </button>
          <button type="button" class="quiet" onClick={() => leave()}>
            {t("leave")}
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <Stamp />
    </>
  );
}

function here(to: string): boolean {
  return to === "/" ? path.value === "/" : path.value === to || path.value.startsWith(`${to}/`);
}

function AsOf() {
  return (
    <form class="as-of" onSubmit={(event) => event.preventDefault()}>
      <label>
        {t("as_of")}{" "}
        <input
          type="datetime-local"
          name="as_of"
          min="2000-01-01T00:00"
          max="2999-12-31T23:59"
          value={asLocal(asOf.value)}
          onChange={(event) => ask({ as_of: ofLocal(event.currentTarget.value) })}
        />
      </label>
      {asOf.value && (
        <button type="button" class="quiet" onClick={() => ask({ as_of: null })}>
          {t("as_of.now")}
        </button>
      )}
    </form>
  );
}

function Size() {
  const next = SIZES[(SIZES.indexOf(size.value) + 1) % SIZES.length]!;
  return (
    <button type="button" class="quiet" onClick={() => ask({ size: next === 100 ? null : String(next) })}>
      {t("size", { n: next })}
    </button>
  );
}

export function Language() {
  const other = lang.value === "en" ? null : "en";
  return (
    <button type="button" class="quiet" lang={other ?? "zh-CN"} onClick={() => ask({ lang: other })}>
      {other ? "English" : "中文"}
    </button>
  );
}

/** Stands above the numbers on paper too, where nobody can ask again. */
function Stamp() {
  const meta = stamp.value;
  if (!meta) return null;
  return (
    <footer class="stamp">
      <p>
        <strong data-stamp={meta.as_of}>{t("stamp", { at: time(meta.as_of) })}</strong>{" "}
        {asOf.value ? t("stamp.then") : live.value ? t("stamp.live") : t("stamp.waiting")}
      </p>
      <p>
        {t("stamp.position")} <code>{meta.position}</code> · {t("stamp.policy")} <code>{meta.policy}</code>
      </p>
    </footer>
  );
}
