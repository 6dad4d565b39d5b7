import type { MsgHdrs } from "@nats-io/nats-core";
import { headerOf, TASK_GROUP } from "./headers.ts";

/** The place of a child in its group, as the header `Task-Group` states it. */
export interface GroupPlace {
  /** The group's id. */
  readonly group: string;
  /** The number of the child in the group's list, 0 first. */
  readonly index: number;
}

/** `<group>/<index>`, the value of the header `Task-Group`. */
export function printGroupPlace({ group, index }: GroupPlace): string {
  return `${group}/${index}`;
}

/** Reads `<group>/<index>`; undefined where it is none. Anybody may have written it. */
export function parseGroupPlace(text: string): GroupPlace | undefined {
  const cut = text.lastIndexOf("/");
  const number = text.slice(cut + 1);
  if (cut < 1 || !/^(?:0|[1-9][0-9]{0,5})$/.test(number)) return undefined;
  return { group: text.slice(0, cut), index: Number(number) };
}

/** The place that a message's headers state; undefined where it is in no group. */
export function groupPlaceOf(headers: MsgHdrs | undefined): GroupPlace | undefined {
  const text = headerOf(headers, TASK_GROUP);
  return text === "" ? undefined : parseGroupPlace(text);
}
