// Tested by apps/cli/src/doctor/copies_test.ts
// Tested by tests/src/cluster/copies_test.ts
import { escapeControls } from "@muster/service";
import type { CopiesWanted, StreamCopy, StreamState } from "@muster/tasks/operate";
import { bad, type Finding, good, warning } from "./finding.ts";

const ABOUT = "copies";

const copiesInWords = (number: number) => (number === 1 ? "1 copy" : `${number} copies`);

/** A copy, with the stream that it is one of. */
interface CopyOf extends StreamCopy {
  readonly stream: string;
}

/** Reports the copies that one server does not have up to date. */
function judgeServer(server: string, copies: readonly CopyOf[]): readonly Finding[] {
  const named = escapeControls(server);
  const inState = (wanted: StreamCopy["state"]) => copies.filter(({ state }) => state === wanted);
  const [away, behind] = [inState("away"), inState("behind")];
  const list = (of: readonly CopyOf[]) => of.map(({ stream }) => stream).join(", ");
  return [
    ...(away.length === 0
      ? []
      : [bad(ABOUT, `${named} is away, and holds a copy of ${list(away)}; start it: the loss of one more stops them`)]),
    ...(behind.length === 0
      ? []
      : [
          warning(
            ABOUT,
            `${named} is behind with ${list(behind)}, by up to ${Math.max(...behind.map(({ lag }) => lag)).toLocaleString("en")} operations; see that it runs: it catches up by itself`,
          ),
        ]),
  ];
}

/** Reports streams that have fewer copies than wanted. */
function judgeNumbers(streams: readonly StreamState[], { atLeast, by }: CopiesWanted): readonly Finding[] {
  const fewer = Map.groupBy(
    streams.filter(({ copies }) => copies !== undefined && copies.number < atLeast),
    ({ copies }) => copies?.number ?? 0,
  );
  const wanted = by === "setting" ? `MUSTER_REPLICAS says ${atLeast}` : `a cluster should have ${atLeast}`;
  return [...fewer].map(([number, of]) =>
    bad(
      ABOUT,
      `${copiesInWords(number)} of ${of.map(({ name }) => name).join(", ")}, and ${wanted}; any running app adds them within two minutes, and its log says what keeps it`,
    ),
  );
}

/** Reports streams without a leader, copies that are missing or behind, and streams that have too few. Nothing on a single server. */
export function judgeCopies(streams: readonly StreamState[], wanted: CopiesWanted): readonly Finding[] {
  const leaderless = streams.filter(({ state }) => state === "no leader").map(({ name }) => name);
  const copies = streams.flatMap((stream) =>
    (stream.copies?.others ?? []).map((copy): CopyOf => ({ ...copy, stream: stream.name })),
  );
  const findings = [
    ...(leaderless.length === 0
      ? []
      : [
          bad(
            ABOUT,
            `no leader of ${leaderless.join(", ")}: nothing can be stored there; start the nats-servers that do not run: most of those that hold a copy must`,
          ),
        ]),
    ...judgeNumbers(streams, wanted),
    ...[...Map.groupBy(copies, ({ server }) => server)].flatMap(([server, of]) => judgeServer(server, of)),
  ];
  const isCluster = streams.some((stream) => stream.copies !== undefined);
  if (findings.length > 0 || !isCluster) return findings;
  return [good(ABOUT, `each stream has ${wanted.atLeast} at least, all up to date`)];
}
