import { html, type Markup } from "./html.ts";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** From this number on a figure is written as `1.2M`. */
const LONG = 1_000_000;

/** A number for a table: `12,345`. */
export function count(number: number): string {
  return whole.format(number);
}

/** A number for a large figure: `12,345`, and `1.2M`. */
export function figure(number: number): string {
  return number >= LONG ? short.format(number) : whole.format(number);
}

/** A rate: `0.4`, `12.5`, `1,234`. */
export function rate(number: number): string {
  return number >= 100 ? whole.format(number) : fine.format(number);
}

/** A number with what it counts: `1 task`, `2 tasks`. */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** A length of time in its two largest units at most: `350 ms`, `4.2 s`, `3 min`, `2 h 5 min`, `4 d 3 h`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${fine.format(ms / 1_000)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 10 && seconds % 60 > 0 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 > 0 && hours < 10 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 > 0 && hours < 240 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${Math.floor(hours / 24)} d`;
}

/** A size: `12 MB`. */
export function bytes(number: number): string {
  if (number < 1_000) return `${number} B`;
  if (number < 1_000_000) return `${fine.format(number / 1_000)} kB`;
  return number < 1e9 ? `${fine.format(number / 1e6)} MB` : `${fine.format(number / 1e9)} GB`;
}

/** A moment as text: `2027-01-31 12:00:00` in UTC. */
export function moment(at: Date): string {
  return at.toISOString().slice(0, 19).replace("T", " ");
}

/** A moment as how long ago it was, or how far ahead it is, with the moment itself where one points at it. */
export function ago(at: string | number | Date | null | undefined, nowMs = Date.now()): Markup {
  const ms = at === null || at === undefined ? Number.NaN : new Date(at).getTime();
  if (Number.isNaN(ms)) return html`<span class="quiet">unknown</span>`;
  const passed = nowMs - ms;
  const date = new Date(ms);
  const text = Math.abs(passed) < 1_000 ? "now" : passed > 0 ? `${duration(passed)} ago` : `in ${duration(-passed)}`;
  return html`<time datetime="${date.toISOString()}" title="${moment(date)} UTC">${text}</time>`;
}

/** Text that is cut where it is long. */
export function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** The VO as people read it. */
export function voText(vo: string): string {
  return vo === "_" ? "no VO" : vo;
}
