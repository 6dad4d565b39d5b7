import { listRetries, listUnpublished, pruneLedger, type Transaction } from "@muster/ledger";
import {
  countPilots,
  getAvailableCes,
  getMaxActiveOverCapacity,
  getPilotShares,
  getPilotSummary,
  listActivePilots,
  listCes,
  listCeSlots,
  listCeStates,
  listOldRequests,
  listPilots,
  prunePilots,
  requestPilots,
  submitPilot,
  transitionPilotStates,
} from "@muster/logic";
import { MyPilotTask } from "@muster/pilot-tasks";
import type { RowReport } from "../report/report.ts";
import { median } from "../report/statistics.ts";
import { type Bench, figuresOf, inTurn, ratioTo, type Rounds } from "../run/bench.ts";
import { CES, openYear, VOS, type YearOfData } from "./year_of_data.ts";

const HISTORY_MS = 30 * 86_400_000;
/** Pilots that one submit round asks for. */
const ASKED_FOR = 20;

let numbered = 0;

/** A number that was not given before, also as a fencing token. */
function next(): number {
  return ++numbered;
}

function oneOf(names: readonly string[]): string {
  return names[next() % names.length] ?? "";
}

/** One submission with the transaction of a worker: fence, submission, row in the ledger. */
async function submit({ database }: YearOfData): Promise<void> {
  const [vo, ceName, taskId] = [oneOf(VOS), oneOf(CES), `bench/${next()}`];
  const task = { taskId, task: MyPilotTask.name, vo, attempt: 1 };
  const opened = database.ledger.open({ ...task, fences: [{ key: ceName, fencingToken: next(), holder: taskId }] });
  const submission = await submitPilot(await opened.transaction(), { ceName, vo, taskId, random: () => 0 });
  const nothing = { spawned: [], dueAt: null, errors: [], payloadHash: "" };
  const answer = await opened.commit({ ...task, ...nothing, outcome: "done", result: { ...submission } });
  if (answer.kind !== "committed") throw new Error(`Cannot measure: a submission ended ${answer.kind}`);
}

async function submitRound(to: Transaction): Promise<void> {
  const vo = oneOf(VOS);
  const available = await getAvailableCes(to, { vo });
  const asked = available.slice(0, ASKED_FOR).map(({ name }) => ({ taskId: `asked/${next()}`, ceName: name, vo }));
  await requestPilots(to, asked);
}

async function liveView(to: Transaction, { tally }: YearOfData): Promise<void> {
  await getPilotSummary(to);
  await tally.read(to);
  await getMaxActiveOverCapacity(to);
  await listCes(to);
  await getPilotShares(to);
}

async function figures(to: Transaction): Promise<void> {
  await countPilots(to);
  await listCeSlots(to);
}

async function chores(to: Transaction): Promise<void> {
  await listRetries(to, { after: "", limit: 10_000 });
  await listUnpublished(to);
  await listOldRequests(to, { after: "", limit: 10_000 });
  await pruneLedger(to);
  await prunePilots(to, { keptForMs: HISTORY_MS, after: 0 });
}

async function lists(to: Transaction): Promise<void> {
  await listPilots(to, {}, 50);
  await listPilots(to, { vo: oneOf(VOS), statuses: ["FAILED"] }, 50);
  await listPilots(to, { ceName: "none.example.org" }, 50);
}

type Ask = (year: YearOfData) => Promise<unknown>;

function inTransaction(ask: (to: Transaction, year: YearOfData) => Promise<unknown>): Ask {
  return (year) => year.database.transaction((to) => ask(to, year));
}

/** What is timed. A status round comes after submissions, so that it has pilots to move. */
const ASKED = {
  submission: submit,
  "status round": inTransaction((to) => transitionPilotStates(to, { vo: oneOf(VOS), random: Math.random })),
  "submit round": inTransaction(submitRound),
  report: inTransaction(getPilotSummary),
  "live view": inTransaction(liveView),
  "figures of `/metrics`": inTransaction(figures),
  dashboard: inTransaction(listCeStates),
  "doctor's look": inTransaction(listActivePilots),
  "looks of the chores": inTransaction(chores),
  "three lists": inTransaction(lists),
} as const satisfies Record<string, Ask>;
type Asked = keyof typeof ASKED;
const ASKED_NAMES = Object.keys(ASKED) as readonly Asked[];

/** Median time of `times` runs, ms. */
async function timeOf(ask: Ask, year: YearOfData, times: number): Promise<number> {
  const tookMs: number[] = [];
  for (let done = 0; done < times; done++) {
    const startedAt = performance.now();
    await ask(year);
    tookMs.push(performance.now() - startedAt);
  }
  return median(tookMs);
}

async function timeAll(year: YearOfData, times: number): Promise<Record<Asked, number>> {
  const took: [Asked, number][] = [];
  for (const name of ASKED_NAMES) took.push([name, await timeOf(ASKED[name], year, times)]);
  // Requests of tasks that nobody publishes would grow from round to round.
  await year.database.transaction((to) => to.execute("delete from pilot_request"));
  return Object.fromEntries(took) as Record<Asked, number>;
}

/** Each of what is asked, by the number of ended pilots. */
export type EndedRounds = Readonly<Record<Asked, Rounds>>;

/** How a size is called in figures. */
export function sizeName(ended: number): string {
  return `${ended.toLocaleString("en")} ended pilots`;
}

/** Times everything beside each number of ended pilots in turn. */
export async function timeBeside(bench: Bench, sizes: readonly number[], times: number): Promise<EndedRounds> {
  await using opened = new AsyncDisposableStack();
  const years: YearOfData[] = [];
  for (const ended of sizes) years.push(opened.use(await openYear(bench, ended)));
  for (const year of years) await timeAll(year, Math.ceil(times / 4));
  return await inTurn(
    bench.sizes.rounds,
    years.map((year) => ({ name: sizeName(year.ended), year })),
    async ({ name, year }) => {
      bench.progress(`muster: figures beside ${name}`);
      return await timeAll(year, times);
    },
  );
}

/** What is asked again and again, beside few and very many pilots that have ended. */
export async function endedPilots(bench: Bench): Promise<RowReport[]> {
  const { ended, samples } = bench.sizes;
  const rounds = await timeBeside(bench, ended, Math.ceil(samples / 5));
  const [fewest = 0, ...others] = ended;
  const asked = ASKED_NAMES.map((name) => ({ name, of: rounds[name] }));
  return [
    {
      row: "ended-pilots",
      title: `what is asked again and again, beside ${ended.map((count) => count.toLocaleString("en")).join(", ")} ended pilots and half as many outcomes, 10,000 at least`,
      durability: "commits do not wait for the disk, which would hide what grows",
      figures: asked.flatMap(({ name, of }) =>
        figuresOf(of, { what: name, unit: "ms" }).map((figure) => ({
          ...figure,
          contender: `muster, ${figure.contender}`,
        })),
      ),
      targets: others.flatMap((count) =>
        asked.map(({ name, of }) => ({
          name: `${name}, ${sizeName(count)} vs ${fewest.toLocaleString("en")}`,
          ratio: ratioTo(of, sizeName(fewest), sizeName(count)),
          atMost: 1.2,
        })),
      ),
      notes: [],
    },
  ];
}
