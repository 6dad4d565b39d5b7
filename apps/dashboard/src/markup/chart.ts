// Tested by apps/dashboard/src/markup/markup_test.ts
import { html, type Markup, trusted } from "./html.ts";

/** Width and height of a plot in its own units. The page stretches it. */
const WIDTH = 600;
const HEIGHT = 100;

/** A line of a chart. */
export interface Line {
  readonly name: string;
  /** Its newest value, as text. */
  readonly now: string;
  /** Class of its colour: `1` to `6`, `bad` or `warn`. */
  readonly colour: string;
  /** One value for each time; null where nothing is known. */
  readonly values: readonly (number | null)[];
}

/** A chart with one scale. */
export interface Chart {
  readonly title: string;
  /** What stands beside the title, e.g. the unit. */
  readonly unit: string;
  readonly lines: readonly Line[];
  /** A value of the scale as text. */
  show(value: number): string;
  /** Whether the ground below the first line is filled. */
  readonly ground: "filled" | "plain";
  /** The words below the plot, from the oldest to the newest. */
  readonly times: readonly [string, string];
  /** What is said where no line has a value above 0. */
  readonly quiet: string;
}

/** The end of the scale: the smallest of 1, 2, 5, 10, 20 and so on that no value is above. */
export function scaleEnd(highest: number): number {
  if (!(highest > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  return [1, 2, 5, 10].map((step) => step * power).find((end) => end >= highest * 0.999_999) ?? 10 * power;
}

function point(index: number, value: number, { steps, end }: { steps: number; end: number }): string {
  const x = steps <= 1 ? WIDTH : (index / (steps - 1)) * WIDTH;
  return `${x.toFixed(1)} ${(HEIGHT - (value / end) * HEIGHT).toFixed(1)}`;
}

/** The path of a line. A value that is not known parts it, and one between two of these is a dot. */
export function pathOf(values: readonly (number | null)[], end: number): string {
  const size = { steps: values.length, end };
  let path = "";
  let isDrawing = false;
  for (const [index, value] of values.entries()) {
    if (value === null) isDrawing = false;
    else {
      path += `${isDrawing ? "L" : "M"}${point(index, value, size)}`;
      if (!isDrawing && (values[index + 1] ?? null) === null) path += "h0";
      isDrawing = true;
    }
  }
  return path;
}

/** The area below a line, from its first known value to its last. */
function groundOf(values: readonly (number | null)[], end: number): string {
  const isKnown = (value: number | null) => value !== null;
  const first = Math.max(0, values.findIndex(isKnown));
  const last = Math.max(first, values.findLastIndex(isKnown));
  const size = { steps: values.length, end };
  const known = values.slice(first, last + 1).map((value, index) => point(first + index, value ?? 0, size));
  return `M${point(first, 0, size)}L${known.join("L")}L${point(last, 0, size)}Z`;
}

function plot({ lines, ground, show, title }: Chart, highest: number): Markup {
  const end = scaleEnd(highest);
  const first = lines[0];
  const area =
    ground === "filled" && first !== undefined
      ? `<path class="area f${first.colour}" d="${groundOf(first.values, end)}"/>`
      : "";
  const grid = [0, 50, 100].map((y) => `<line x1="0" x2="${WIDTH}" y1="${y}" y2="${y}"/>`).join("");
  const paths = [...lines]
    .reverse()
    .map(({ colour, values }) => `<path class="s${colour}" d="${pathOf(values, end)}"/>`);
  const said = `${title}: ${lines.map(({ name, now }) => `${name} ${now}`).join(", ")}`;
  return html`<div class="plot scaled" role="img" aria-label="${said}"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">${trusted(grid + area + paths.join(""))}</svg><span class="top" aria-hidden="true">${show(end)}</span><span class="middle" aria-hidden="true">${show(end / 2)}</span></div>`;
}

/** A chart as a picture that a reader of the page's text understands as well. */
export function chart(drawn: Chart): Markup {
  const { title, unit, lines, times, quiet } = drawn;
  const highest = Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const legend = lines.map(
    ({ name, now, colour }) => html`<li><span class="key f${colour}"></span>${name} <b>${now}</b></li>`,
  );
  return html`<figure class="card chart"><figcaption><h2>${title} <span class="quiet small">${unit}</span></h2><ul class="legend">${legend}</ul></figcaption>
${highest === 0 ? html`<div class="plot"><p class="empty quiet">${quiet}</p></div>` : plot(drawn, highest)}
<div class="times" aria-hidden="true"><span>${times[0]}</span><span>${times[1]}</span></div></figure>`;
}

/** A part of a bar. */
export interface Share {
  readonly name: string;
  readonly value: number;
  readonly colour: string;
}

/** A bar of `whole` that is filled by its shares from the left. It says what it shows as `said`. */
export function bar(shares: readonly Share[], whole: number, said: string): Markup {
  const total = Math.max(
    1,
    whole,
    shares.reduce((sum, { value }) => sum + value, 0),
  );
  let at = 0;
  const parts = shares.map(({ value, colour }) => {
    const width = (value / total) * 100;
    const part = `<rect class="f${colour}" x="${at.toFixed(2)}" y="0" width="${width.toFixed(2)}" height="10"/>`;
    at += width;
    return part;
  });
  return html`<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="${said}">${trusted(`<rect class="room" x="0" y="0" width="100" height="10"/>${parts.join("")}`)}</svg>`;
}
