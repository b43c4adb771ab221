// Words of the page. Chinese is the source; TypeScript refuses a dictionary with a key missing.

import en from "./words/en.json";
import zh from "./words/zh-CN.json";
import { lang } from "./place";

export type Word = keyof typeof zh;

const DICTIONARIES: Record<string, Record<Word, string>> = { "zh-CN": zh, en };

/** A text in the reader's language; `{name}` is filled from `values`. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  const text = DICTIONARIES[lang.value]?.[word] ?? zh[word];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The text of a code that may be one this page does not know; then the code itself. */
export function tCode(kind: string, code: string): string {
  const word = `${kind}.${code}`;
  return word in zh ? t(word as Word) : code;
}
