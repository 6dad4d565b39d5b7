import type { Database } from "@muster/ledger";
import { addCe, listCes, type NewCe } from "@muster/logic";
import type { Broker } from "@muster/tasks";
import { activeVos, changeConfiguration, type Configuration, findConfiguration, withVo } from "@muster/tasks/operate";

const VOS = ["lhcb", "belle2", "vo.cta.in2p3.fr"] as const;

const CES: readonly NewCe[] = [
  { name: "ce01.example.org", capacity: 10, successRate: 1 },
  { name: "ce02.example.org", capacity: 8, successRate: 0.9 },
  { name: "ce03.example.org", capacity: 6, successRate: 0.75 },
  { name: "ce04.example.org", capacity: 4, successRate: 0.5, vos: ["lhcb", "vo.cta.in2p3.fr"] },
  { name: "ce05.example.org:9619/condor", capacity: 12, successRate: 0.95 },
  { name: "ce06.example.org", capacity: 20, successRate: 1, enabled: false },
];

/** Short intervals, so that a user sees pilots move. The definitions have intervals of about a minute. */
const TASKS: Configuration["tasks"] = {
  MySubmitPilotsTask: { schedule: "every 4s" },
  MyCheckPilotsTask: { schedule: "every 3s" },
  MyPilotReportTask: { schedule: "every 15s" },
};

/**
 * Gives an empty system three VOs, six CEs and short intervals.
 *
 * Returns what it added, e.g. `3 VOs, 6 CEs`. Returns undefined where VOs or CEs already exist, since an operator has then chosen their
 * own.
 */
export async function applyDemo(broker: Broker, database: Database): Promise<string | undefined> {
  const { configuration, problem } = await findConfiguration(broker);
  // The apps report a broken configuration, and an operator must repair it.
  if (problem !== undefined) return undefined;
  const hasVos = activeVos(configuration).length > 0;
  const hasCes = (await database.transaction(listCes)).length > 0;
  if (hasVos || hasCes) return undefined;
  await database.transaction(async (transaction) => {
    for (const ce of CES) await addCe(transaction, ce);
  });
  function withDemo(now: Configuration): Configuration {
    const withVos = VOS.reduce((configuration, vo) => withVo(configuration, vo), now);
    return { ...withVos, tasks: { ...TASKS, ...withVos.tasks } };
  }
  // There are no CEs either. So nothing is left that an earlier value of the bucket was about.
  await changeConfiguration(broker, withDemo, { from: "nothing" });
  return `${VOS.length} VOs, ${CES.length} CEs`;
}
