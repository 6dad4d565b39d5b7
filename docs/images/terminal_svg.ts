// Draws what a terminal shows: reads its text on standard input, writes an SVG on standard output.
//   tmux capture-pane -p -t muster | npx node docs/images/terminal_svg.ts > docs/images/live-view.svg
import { text } from "node:stream/consumers";

const CHARACTER_PX = 7.8;
const LINE_PX = 17;
const MARGIN_PX = 16;

function escapeMarkup(line: string): string {
  return line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function lineElement(line: string, index: number): string {
  const y = MARGIN_PX + (index + 1) * LINE_PX - 4;
  // A fixed length keeps the columns in line, whatever font the reader has.
  const length = (Array.from(line).length * CHARACTER_PX).toFixed(1);
  return `<text x="${MARGIN_PX}" y="${y}" textLength="${length}" lengthAdjust="spacingAndGlyphs" xml:space="preserve">${escapeMarkup(line)}</text>`;
}

function renderSvg(lines: readonly string[]): string {
  const widest = Math.max(...lines.map((line) => Array.from(line).length));
  const width = Math.ceil(widest * CHARACTER_PX + 2 * MARGIN_PX);
  const height = lines.length * LINE_PX + 2 * MARGIN_PX;
  const shown = lines.map(lineElement).filter((_, index) => lines[index] !== "");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>The live view of npm start</title>
<rect width="100%" height="100%" rx="8" fill="#16181d"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" fill="#d6dae0">
${shown.join("\n")}
</g>
</svg>
`;
}

const screen = (await text(process.stdin)).trimEnd().split("\n");
process.stdout.write(renderSvg(screen.map((line) => line.trimEnd())));
