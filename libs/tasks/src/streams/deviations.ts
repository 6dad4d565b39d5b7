import type { Observer } from "../connection/observer.ts";
import { canLose, describeDifference, type Difference } from "./settings_check.ts";
import type { Deviation } from "./streams.ts";

/** What an operator does about a setting that cannot be changed any more. */
export const HOW_TO_REPLACE =
  "the server does not allow the change: wait until nothing waits, stop all apps, delete the stream, and start the apps; they declare it anew";

function fateOf({ canBeSetBack }: Difference, refusal: string | undefined): string {
  if (canBeSetBack === "no") return HOW_TO_REPLACE;
  return refusal === undefined ? "it was set back" : `it could not be set back: ${refusal}`;
}

/** Reports settings that somebody changed, by an alarm and to `muster doctor`. What cannot be set back is reported once. */
export function createDeviationReport(
  observer: Observer,
  keep: (happened: { kind: string; about: string; text: string; isLoss: boolean }) => void,
): (deviation: Deviation) => void {
  const told = new Set<string>();

  function isNews({ stream, field, found, canBeSetBack }: Difference, refusal: string | undefined): boolean {
    if (canBeSetBack === "yes" && refusal === undefined) return true;
    const key = `${stream} ${field} ${found}`;
    const isNew = !told.has(key);
    told.add(key);
    return isNew;
  }

  return ({ stream, differences, isByHand, refusal }) => {
    if (!isByHand && refusal === undefined) {
      observer.note(`The settings of ${stream} were brought up to date`, { differences });
      return;
    }
    const news = differences.filter((difference) => isNews(difference, refusal));
    for (const difference of news) {
      const text = `${describeDifference(difference)}; ${fateOf(difference, refusal)}`;
      observer.alarm(text, { ...difference });
      keep({ kind: "settings", about: stream, text, isLoss: canLose(difference) });
    }
  };
}
