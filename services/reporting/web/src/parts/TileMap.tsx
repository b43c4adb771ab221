// The fifteen townships as equal hexagons placed by neighbourhood: a scheme, no boundaries, fair to
// small ones. The scale is fixed, so that two days can be compared.

import { address } from "../place";
import { t } from "../words";

/** Row and column of each township; odd rows stand half a tile to the right. */
const TILES: [code: string, row: number, column: number][] = [
  ["410185001", 0, 3],
  ["410185002", 0, 4],
  ["410185109", 0, 5],
  ["410185101", 1, 0],
  ["410185203", 1, 1],
  ["410185003", 1, 3],
  ["410185004", 1, 4],
  ["410185105", 1, 5],
  ["410185204", 2, 2],
  ["410185100", 2, 3],
  ["410185108", 2, 4],
  ["410185103", 2, 5],
  ["410185106", 2, 6],
  ["410185202", 3, 3],
  ["410185107", 3, 4],
];

export type Shown = "open" | "overdue";

/** The least number of each step above the first, which is none. */
const STEPS: Record<Shown, number[]> = { open: [1, 3, 6, 11], overdue: [1, 2, 4, 8] };

const RADIUS = 50;
const WIDE = Math.sqrt(3) * RADIUS;
const HIGH = RADIUS * 1.5;

function stepOf(value: number, shown: Shown): number {
  return STEPS[shown].filter((least) => value >= least).length;
}

function rangeOf(step: number, shown: Shown): string {
  if (step === 0) return "0";
  const least = STEPS[shown][step - 1]!;
  const next = STEPS[shown][step];
  if (next === undefined) return t("map.more", { n: least });
  return next - 1 === least ? String(least) : `${least}–${next - 1}`;
}

interface Props {
  values: Map<string, number>;
  names: (code: string) => string;
  shown: Shown;
}

export function TileMap({ values, names, shown }: Props) {
  return (
    <div class={`tiles ${shown}`}>
      <svg viewBox={`-6 -4 ${WIDE * 7 + 12} ${HIGH * 3 + RADIUS * 2 + 8}`} role="group" aria-label={t("map.title")}>
        {TILES.map(([code, row, column]) => {
          const x = (column + (row % 2 ? 1 : 0.5)) * WIDE;
          const y = row * HIGH + RADIUS;
          const value = values.get(code) ?? 0;
          const name = names(code);
          return (
            <a
              href={address(`/cases?township=${code}${shown === "overdue" ? "&overdue=true" : ""}`)}
              aria-label={t("map.tile", { name, n: value })}
              data-tile={code}
            >
              <polygon class={`step${stepOf(value, shown)}`} points={corners(x, y)} />
              <text x={x} y={y - 8}>
                {short(name)}
              </text>
              <text class="value" x={x} y={y + 22}>
                {value}
              </text>
            </a>
          );
        })}
      </svg>
      <ul class="legend">
        {[0, 1, 2, 3, 4].map((step) => (
          <li>
            <svg viewBox="-11 -11 22 22" aria-hidden="true">
              <polygon class={`step${step}`} points={corners(0, 0, 10)} />
            </svg>
            {shown === "overdue" ? `${t(`map.warn.${step as 0 | 1 | 2 | 3 | 4}`)} ` : ""}
            {rangeOf(step, shown)}
          </li>
        ))}
        <li class="hint">{t("map.scheme")}</li>
      </ul>
    </div>
  );
}

function corners(x: number, y: number, radius = RADIUS - 2): string {
  return [0, 1, 2, 3, 4, 5]
    .map((corner) => {
      const angle = ((60 * corner - 90) * Math.PI) / 180;
      return `${(x + radius * Math.cos(angle)).toFixed(1)},${(y + radius * Math.sin(angle)).toFixed(1)}`;
    })
    .join(" ");
}

/** A tile has room for the name without its rank. */
function short(name: string): string {
  return name.replace(/(街道|镇|乡)$/, "");
}
