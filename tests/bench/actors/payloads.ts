import { type BenchPayload, type Load, NOTE } from "./verbs.ts";

/** The payloads of a load, and the VO of each. They bear no time. */
export function* payloadsOf({
  count,
  vos = ["vo1"],
}: Load): Generator<{ vo: string; payload: BenchPayload }, void, void> {
  for (let number = 0; number < count; number++) {
    const vo = vos[number % vos.length] ?? "vo1";
    yield { vo, payload: { number, sentAtUs: 0, note: NOTE } };
  }
}
