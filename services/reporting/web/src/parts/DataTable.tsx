// A table that can be read, printed, copied and downloaded: what stands in it is also its CSV.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { save } from "../api";
import { t } from "../words";

export interface Column<Row> {
  title: string;
  /** What is copied, downloaded and, without `show`, shown. */
  text: (row: Row) => string;
  show?: (row: Row) => ComponentChildren;
  number?: boolean;
  /** Is not broken into lines. */
  whole?: boolean;
  /** Names its row for a screen reader. */
  head?: boolean;
}

interface Props<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  /** Name of the file without its ending. */
  file: string;
  rowClass?: (row: Row) => string;
  captionHidden?: boolean;
}

export function DataTable<Row>({ caption, columns, rows, file, rowClass, captionHidden }: Props<Row>) {
  const [copied, setCopied] = useState<string | null>(null);
  const cells = () => [columns.map((column) => column.title), ...rows.map((row) => columns.map((column) => column.text(row)))];
  const copy = async () => {
    const text = cells().map((line) => line.map((cell) => plain(cell.replace(/\s+/g, " ").trim())).join("\t")).join("\n");
    try {
      await navigator.clipboard.writeText(text);
      setCopied(t("copied"));
    } catch {
      setCopied(t("copy.refused"));
    }
  };
  return (
    <div class="table">
      <div class="scroll" tabIndex={0} role="group" aria-label={caption}>
        <table data-table={file}>
          <caption class={captionHidden ? "hidden" : ""}>{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th scope="col" class={column.number ? "number" : ""}>
                  {column.title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr class={rowClass?.(row)}>
                {columns.map((column) => {
                  const shown = column.show ? column.show(row) : column.text(row);
                  const style = column.number ? "number" : column.whole ? "whole" : "";
                  return column.head ? (
                    <th scope="row" class={style}>
                      {shown}
                    </th>
                  ) : (
                    <td class={style}>{shown}</td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="tools">
        <button type="button" class="quiet" onClick={() => void copy()}>
          {t("copy")}
        </button>
        <button type="button" class="quiet" onClick={() => save(csv(cells()), `${file}.csv`)}>
          {t("csv")}
        </button>
        <span role="status">{copied}</span>
      </p>
    </div>
  );
}

/** With a byte order mark, by which spreadsheets know UTF-8. */
function csv(lines: string[][]): Blob {
  const text = lines.map((line) => line.map(field).join(",")).join("\r\n");
  return new Blob(["\ufeff", text, "\r\n"], { type: "text/csv;charset=utf-8" });
}

function field(text: string): string {
  return `"${plain(text).replaceAll('"', '""')}"`;
}

/** A text that a spreadsheet would take for a formula is marked as text; a number with a sign is none. */
function plain(text: string): string {
  return /^[=@＝＠\s]|^[-+－＋](?![\d.,]+%?$)/.test(text) ? `'${text}` : text;
}
