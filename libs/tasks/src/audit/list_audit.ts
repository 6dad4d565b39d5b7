import type { Broker } from "../broker/broker.ts";
import { newestStored } from "../broker/newest_stored.ts";
import { AUDIT } from "../streams/stream_needs.ts";
import { type AuditRecord, readRecord } from "./audit_record.ts";

/** Greatest and usual number of records in one page. */
const MOST = 1_000;
const USUAL = 100;
/** Greatest number of records that are looked at for one page. Each is parsed. */
const LOOKED_AT = 50_000;

/** Which records are listed. A field that is left out selects all. */
export interface AuditFilter {
  /** An action, or the words with which it begins: `queue` selects `queue.pause`. */
  readonly action?: string | undefined;
  readonly who?: string | undefined;
  /** A part of the target. */
  readonly target?: string | undefined;
  /** Only records below this sequence, as the page before it told. */
  readonly before?: number | undefined;
  /** Greatest number of records, default 100, at most 1,000. */
  readonly limit?: number | undefined;
}

/** A record with its place in the stream. */
export interface StoredAuditRecord extends AuditRecord {
  /** Its sequence in AUDIT. */
  readonly sequence: number;
}

/** A part of the records, newest first. */
export interface AuditPage {
  readonly records: readonly StoredAuditRecord[];
  /** Where the next page begins, as `before`; undefined: nothing older is left. */
  readonly next: number | undefined;
}

function isOf(record: AuditRecord, { action, who, target }: AuditFilter): boolean {
  const isAction = action === undefined || record.action === action || record.action.startsWith(`${action}.`);
  return (
    isAction && (who === undefined || record.who === who) && (target === undefined || record.target.includes(target))
  );
}

/**
 * Lists who did what, newest first, a page at a time. A page looks at some 50,000 records at most, so it may be short and still have a next one.
 * What somebody else has stored there is passed over. Throws when the broker does not answer.
 */
export async function listAudit(broker: Pick<Broker, "nc" | "jsm">, filter: AuditFilter = {}): Promise<AuditPage> {
  const records = new Map<number, AuditRecord>();
  const { messages, next } = await newestStored(broker, {
    ...{ stream: AUDIT, filter: "audit.>", content: "whole", what: "audit records", lookedAt: LOOKED_AT },
    before: filter.before,
    limit: Math.min(MOST, Math.max(1, filter.limit ?? USUAL)),
    accept({ seq, data }) {
      const record = readRecord(data);
      if (record === undefined || !isOf(record, filter)) return false;
      records.set(seq, record);
      return true;
    },
  });
  return {
    records: messages.flatMap(({ seq }) => {
      const record = records.get(seq);
      return record === undefined ? [] : [{ sequence: seq, ...record }];
    }),
    next,
  };
}
