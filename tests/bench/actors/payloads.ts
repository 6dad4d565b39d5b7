import { type BenchPayload, type Load, NOTE } from "./verbs.ts";

/** Returns the payloads of a load, with the VO of each. They have no publish time. */
export function* payloadsOf({
  count,
  vos = ["vo1"],
}: Load): Generator<{ vo: string; payload: BenchPayload }, void, void> {
  for (let number = 0; number < count; number++) {
    const vo = vos[number % vos.length] ?? "vo1";
    yield { vo, payload: { number, sentAtUs: 0, note: NOTE } };
  }
}
