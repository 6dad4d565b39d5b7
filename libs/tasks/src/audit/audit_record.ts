import * as z from "zod";

/** Greatest length of the JSON of a record's detail, characters. A longer one is replaced by its length. */
const MAX_DETAIL = 16_384;
/** Greatest length of the other texts, characters. */
const MAX_TEXT = 1_024;
/** Words of lower-case letters with dots between. */
const ACTION = /^[a-z]+(?:\.[a-z]+)*$/;

const Shape = z.object({
  at: z.string(),
  who: z.string(),
  from: z.string(),
  action: z.string(),
  target: z.string(),
  detail: z.record(z.string(), z.unknown()).optional(),
});

/** Who did what, as `AUDIT` keeps it. Its texts are unchanged: escape them before they reach a terminal or a page. */
export type AuditRecord = Readonly<z.infer<typeof Shape>>;

/** What a caller of `recordAudit` tells. */
export interface Audited {
  /** Who did it, as `ana@ui01`. */
  readonly who: string;
  /** By which program, as `cli` or `dashboard`. */
  readonly from: string;
  /** Words in lower case with dots between, from the wide to the narrow, as `queue.pause`. */
  readonly action: string;
  /** To what it was done, as `MyPilotTask of lhcb`. */
  readonly target: string;
  /** More about it: a reason, values before and after. No secrets. */
  readonly detail?: Readonly<Record<string, unknown>> | undefined;
  /** RFC 3339; default now. */
  readonly at?: string;
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

/** The record of what was done. Throws `RangeError` where the action is not words with dots between. */
export function makeRecord({ who, from, action, target, detail, at = new Date().toISOString() }: Audited): AuditRecord {
  if (!ACTION.test(action)) {
    throw new RangeError(
      `Cannot record the action ${JSON.stringify(action)}: write lower-case words with dots between, as queue.pause`,
    );
  }
  const length = detail === undefined ? 0 : JSON.stringify(detail).length;
  const kept = length > MAX_DETAIL ? { leftOut: `${length} characters` } : detail;
  return {
    ...{ at, who: cut(who), from: cut(from), action, target: cut(target) },
    ...(kept === undefined ? {} : { detail: kept }),
  };
}

/** Reads a record; undefined: somebody else has stored something that is none. */
export function readRecord(data: Uint8Array): AuditRecord | undefined {
  try {
    return Shape.safeParse(JSON.parse(new TextDecoder().decode(data))).data;
  } catch {
    return undefined; // no JSON
  }
}
