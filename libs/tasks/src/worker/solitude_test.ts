import test from "ava";
import type { InHand } from "./hand.ts";
import { Solitude, type SolitudeMember } from "./solitude.ts";

/** A part of a worker of which only what the solitude asks is played. */
class PlayedPart implements SolitudeMember {
  taken = 0;
  readonly told: string[] = [];
  readonly running = () => [];
  readonly permitsTaken = () => this.taken;
  readonly permitsUsable = () => 2;
  readonly hasOthers = () => false;
  readonly onAccepted = () => void this.told.push("accepted");
  readonly onClosed = () => void this.told.push("closed");
  readonly begin = () => void this.told.push("began");
  readonly onOpened = () => void this.told.push("opened");
}

test("a suspect of one part of a worker is alone in the process: it waits for what runs in the other part, which takes nothing until it has ended", (t) => {
  const [loop, threads] = [new PlayedPart(), new PlayedPart()];
  const solitude = new Solitude();
  for (const part of [loop, threads]) solitude.join(part);
  const suspect = {} as InHand;
  loop.taken = 1;
  t.is(solitude.ask(threads, suspect, Number.POSITIVE_INFINITY), "accepted");
  t.false(solitude.isOpen);
  t.deepEqual([loop.told, threads.told], [["closed"], ["accepted", "closed"]]);
  t.is(solitude.waitingOf(loop), undefined);
  t.is(solitude.withdraw(loop), undefined, "the other part has no say in it");
  loop.taken = 0;
  solitude.noteEnded({} as InHand);
  t.is(threads.told.at(-1), "began");
  solitude.noteEnded(suspect);
  t.true(solitude.isOpen);
  for (const part of [loop, threads]) t.is(part.told.at(-1), "opened");
  solitude.close();
});
