import type { Markup } from "../markup/html.ts";
import type { Reads } from "../read/reads.ts";

/** What stands after the `?` of an address. */
export type Query = Readonly<Record<string, string | undefined>>;

/** The content of a page. */
export interface Content {
  readonly title: string;
  readonly main: Markup;
}

/** A page: the same for all who look at it, so that it is made once for all of them. */
export interface Page {
  readonly path: string;
  /** The entry of the navigation that it belongs to. */
  readonly nav: string;
  /** Time between two updates, ms; 0: it is not updated while somebody may be writing in it. */
  readonly everyMs: number;
  /** Makes the content; undefined: there is nothing of that name. */
  make(reads: Reads, query: Query): Promise<Content | undefined>;
}

/** A text of the query; undefined where it is empty. */
export function textIn(query: Query, name: string): string | undefined {
  return query[name]?.trim().slice(0, 1_024) || undefined;
}

/** A whole number of the query; undefined where it is none. */
export function numberIn(query: Query, name: string): number | undefined {
  const text = query[name] ?? "";
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}
