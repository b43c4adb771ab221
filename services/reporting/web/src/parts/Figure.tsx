// A chart with its table below: the table is the accessible form, the printed form and the proof.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Chart, Option } from "../charts/echarts";
import { lang } from "../place";
import { t } from "../words";

interface Props {
  title: string;
  /** What the chart says, for who does not see it. */
  summary: string;
  option: Option;
  height?: number;
  tools?: ComponentChildren;
  /** Its table is too long for paper, where the chart alone is printed. */
  long?: boolean;
  /** Its table. */
  children?: ComponentChildren;
  onPick?: (name: string) => void;
}

/** Width of the print area of A4 in CSS pixels: SVG drawn so wide is not cut off. */
const PAPER = 680;

export function Figure({ title, summary, option, height = 320, tools, long = false, children, onPick }: Props) {
  return (
    <figure class="figure">
      <figcaption>
        <h3>{title}</h3>
        {tools}
      </figcaption>
      <Drawing summary={summary} option={option} height={height} onPick={onPick} />
      {children && (
        <details class={long ? "data long" : "data"}>
          <summary>{t("chart.table")}</summary>
          {children}
        </details>
      )}
    </figure>
  );
}

interface DrawingProps {
  summary: string;
  option: Option;
  /** Pixels, or a share of what is around. */
  height: number | string;
  dark?: boolean;
  onPick?: ((name: string) => void) | undefined;
}

export function Drawing({ summary, option, height, dark = false, onPick }: DrawingProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);
  // What the chart is given once it is there, and who is told of a click then.
  const latest = useRef({ option, onPick });
  latest.current = { option, onPick };
  const language = lang.value;

  useEffect(() => {
    let gone = false;
    const fit = () => chart.current?.resize();
    const before = () => {
      chart.current?.resize({ width: PAPER, silent: true });
      // Paper does not wait for the next frame.
      chart.current?.getZr().flush();
    };
    const watcher = new ResizeObserver(fit);
    addEventListener("beforeprint", before);
    addEventListener("afterprint", fit);
    // The one large part of the page comes after its words and numbers.
    void import("../charts/echarts").then(({ draw }) => {
      if (gone || !place.current) return;
      chart.current = draw(place.current, { dark, lang: language });
      chart.current.setOption(latest.current.option);
      chart.current.on("click", (event) => latest.current.onPick?.(String(event.name)));
      watcher.observe(place.current);
    });
    return () => {
      gone = true;
      watcher.disconnect();
      removeEventListener("beforeprint", before);
      removeEventListener("afterprint", fit);
      chart.current?.dispose();
      chart.current = null;
    };
  }, [dark, language]);

  const said = JSON.stringify(option);
  useEffect(() => {
    chart.current?.setOption(option, { notMerge: true });
  }, [said]);

  return <div class="drawing" ref={place} style={{ height: typeof height === "number" ? `${height}px` : height }} role="img" aria-label={summary} />;
}
