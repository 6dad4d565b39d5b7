import { join } from "node:path";
import type { PilotPeerVerbs } from "../actors/pilot_verbs.ts";
import { installDiracx, installPeers } from "../servers/peers.ts";
import { BENCH } from "../servers/places.ts";
import { type Actor, type ActorCommand, startActor } from "./actor.ts";
import { type Ground, nodeCommand } from "./contenders.ts";

/** A peer that submits pilots one at a time for each CE. */
export type PilotPeerName = "graphile-worker" | "bullmq" | "diracx";

async function commandOf(name: PilotPeerName, ground: Ground, pilotsUrl: string): Promise<ActorCommand> {
  const { servers, durability, progress } = ground;
  switch (name) {
    case "graphile-worker": {
      await installPeers(progress);
      const queueUrl = await servers.database("graphile");
      return nodeCommand(ground, "graphile-pilots", ["peers/graphile_pilots.ts", queueUrl, pilotsUrl]);
    }
    case "bullmq": {
      await installPeers(progress);
      const { host, port } = await servers.redis(durability);
      return nodeCommand(ground, "bullmq-pilots", ["peers/bullmq_pilots.ts", host, String(port), pilotsUrl]);
    }
    case "diracx": {
      const command = await installDiracx(progress);
      const { host, port } = await servers.redis(durability);
      const script = join(BENCH, "peers", "diracx_pilots.py");
      return { name: "diracx-pilots", command, args: [script, `redis://${host}:${port}/2`, pilotsUrl] };
    }
  }
}

/** Starts a peer, whose pilots go to the database at `pilotsUrl`. Throws the reason where that is not possible. */
export async function openPilotPeer(
  name: PilotPeerName,
  ground: Ground,
  pilotsUrl: string,
): Promise<Actor<PilotPeerVerbs>> {
  return await startActor<PilotPeerVerbs>(await commandOf(name, ground, pilotsUrl));
}
