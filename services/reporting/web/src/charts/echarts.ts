// The parts of ECharts that the charts use, drawn as SVG: sharp on paper, and text stays text.

import { BarChart, LineChart } from "echarts/charts";
import {
  AriaComponent,
  GridComponent,
  LegendComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TooltipComponent,
} from "echarts/components";
import * as echarts from "echarts/core";
import { LabelLayout } from "echarts/features";
import { SVGRenderer } from "echarts/renderers";
import type { EChartsOption } from "echarts";

echarts.use([
  BarChart,
  LineChart,
  AriaComponent,
  GridComponent,
  LegendComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TooltipComponent,
  LabelLayout,
  SVGRenderer,
]);

export type Option = EChartsOption;
export type Chart = echarts.ECharts;

export function draw(place: HTMLElement, how: { dark: boolean; lang: string }): Chart {
  const locale = how.lang === "en" ? "EN" : "ZH";
  return echarts.init(place, how.dark ? "dark" : null, { renderer: "svg", locale });
}
