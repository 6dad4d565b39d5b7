import { short } from "./numbers.ts";
import { type ChartName, CHARTS, type Line } from "./report.ts";

const [WIDTH, HEIGHT] = [680, 340];
const PLOT = { left: 76, right: 660, top: 44, bottom: 250 };
/** Colours that everyone can tell apart, on a light and on a dark background. */
const COLOURS = ["#2f7ed8", "#d9822b", "#0e9c6c", "#b0489e"];
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #444 }
  .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #8884; stroke-width: 1 }
  @media (prefers-color-scheme: dark) { text { fill: #ccc } }`;

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Returns the smallest round number that is at least `value`: 1, 2 or 5 times a power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5].find((step) => step * power >= value) ?? 10) * power;
}

interface Scale {
  x(value: number): number;
  y(value: number): number;
  readonly xTicks: readonly number[];
  readonly yTicks: readonly number[];
}

/** Chooses the scale. Counts that grow by factors have a logarithmic one. Rates and times begin at 0. */
function scaleOf(lines: readonly Line[]): Scale {
  const points = lines.flatMap((line) => line.points);
  const xTicks = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const [low, high] = [Math.log(xTicks[0] ?? 1), Math.log(xTicks.at(-1) ?? 1)];
  const most = roundUp(Math.max(...points.map(([, y]) => y)));
  return {
    x: (value) => PLOT.left + ((Math.log(value) - low) / (high - low || 1)) * (PLOT.right - PLOT.left - 20),
    y: (value) => PLOT.bottom - (value / most) * (PLOT.bottom - PLOT.top),
    xTicks,
    yTicks: [0, 0.25, 0.5, 0.75, 1].map((share) => share * most),
  };
}

function axes({ x, y, xTicks, yTicks }: Scale, xName: string): string[] {
  const horizontal = yTicks.flatMap((value) => [
    `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${y(value)}" y2="${y(value)}"/>`,
    `<text x="${PLOT.left - 8}" y="${y(value) + 4}" text-anchor="end">${value === 0 ? "0" : short(value)}</text>`,
  ]);
  const vertical = xTicks.map(
    (value) =>
      `<text x="${x(value).toFixed(1)}" y="${PLOT.bottom + 20}" text-anchor="middle">${value.toLocaleString("en")}</text>`,
  );
  const middle = (PLOT.left + PLOT.right) / 2;
  return [
    ...horizontal,
    ...vertical,
    `<text x="${middle}" y="${PLOT.bottom + 42}" text-anchor="middle">${escapeXml(xName)}</text>`,
  ];
}

function curve({ name, points }: Line, number: number, { x, y }: Scale): string[] {
  const colour = COLOURS[number % COLOURS.length];
  const at = points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`);
  const dots = at.map((point) => {
    const [cx, cy] = point.split(",");
    return `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"/>`;
  });
  const legendX = PLOT.left + (number % 4) * 150;
  const legendY = PLOT.bottom + 72;
  return [
    `<polyline points="${at.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...dots,
    `<rect x="${legendX}" y="${legendY - 10}" width="12" height="12" fill="${colour}"/>`,
    `<text x="${legendX + 18}" y="${legendY}">${escapeXml(name)}</text>`,
  ];
}

/** Draws a chart's lines as an SVG picture. */
export function drawChart(chart: ChartName, lines: readonly Line[]): string {
  const { title, x, y } = CHARTS[chart];
  const scale = scaleOf(lines);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeXml(title)}">`,
    `<style>${STYLE}</style>`,
    `<text class="title" x="${PLOT.left}" y="22">${escapeXml(title)} (${escapeXml(y)})</text>`,
    ...axes(scale, x),
    ...lines.flatMap((line, number) => curve(line, number, scale)),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}
