import { type BenchPayload, type Load, NOTE } from "./verbs.ts";

/** The payloads of a bulk, and the VO of each. */
export function* payloadsOf({ count, vos = ["vo1"] }: Load): Generator<{ vo: string; payload: BenchPayload }> {
  for (let number = 0; number < count; number++) {
    const vo = vos[number % vos.length] ?? "vo1";
    yield { vo, payload: { number, sentAtUs: 0, note: NOTE } };
  }
}
