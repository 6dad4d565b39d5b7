import type { StreamInfo } from "@nats-io/jetstream";
import { hash } from "node:crypto";
import { LATER, TASKS } from "../streams/stream_needs.ts";

/** The `Nats-Msg-Id`s of our own messages. Nobody outside of our NATS account can know them ahead. */
export interface MessageIds {
  /** Reads from a stream's info what the ids are made with. */
  note(info: Pick<StreamInfo, "config" | "created">): void;
  /** The `Nats-Msg-Id` of what `id` names. All processes of one account give the same one. */
  of(id: string): string;
}

/** Streams whose birth goes into the ids. */
const NOTED: readonly string[] = [TASKS, LATER];

/**
 * A server drops what bears a `Nats-Msg-Id` that its stream has seen, whatever the subject. Ids of children and callbacks follow from those of
 * their parents, so a VO could state those of another VO ahead, and the server would drop the real ones.
 *
 * So ours are digests of the id and of the moments at which `TASKS` and `LATER` were made, to the nanosecond. Only users of our account can read
 * these. See decision 96.
 */
export function createMessageIds(): MessageIds {
  const born = new Map<string, string>();
  let key = "";
  return {
    note({ config: { name }, created }) {
      if (!NOTED.includes(name) || born.get(name) === created) return;
      born.set(name, created);
      key = NOTED.map((each) => born.get(each) ?? "").join("\n");
    },
    of: (id) => hash("sha256", `${key}\n${id}`, "base64url"),
  };
}
