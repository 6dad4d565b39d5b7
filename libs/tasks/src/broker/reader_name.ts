import { nuid } from "@nats-io/nats-core";

/** A name for a consumer that reads once, so that `nats consumer report` shows what it is for. No two are the same. */
export function readerName(what: "events" | "dead_letters"): { readonly name_prefix: string } {
  return { name_prefix: `muster_reads_${what}_${nuid.next()}` };
}
