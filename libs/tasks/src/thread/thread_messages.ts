import type { LineLevel } from "../connection/observer.ts";
import type { EndedChild, GroupClosing } from "../definition/group.ts";
import type { Json, JsonObject } from "../definition/json.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import type { HeldLease } from "../definition/task.ts";
import type { OwnHeaders } from "../format/own_headers.ts";
import type { Progress } from "../result/progress.ts";
import type { FailedOutcome } from "../run/fail.ts";
import type { Crossed } from "./crossing_error.ts";

/*
 * All that crosses between a worker's own thread and those in which its tasks run. Each message is copied. What is not here cannot cross:
 * the `deps` of a task, its transaction, what its schema has made of the payload, functions, and the memory of its module.
 */

/** The values with which a thread is started. */
export interface ThreadStart {
  /** Tells a thread of a worker from any other. */
  readonly of: "muster tasks";
  /** What the one who starts the worker gives the thread's module. */
  readonly data: Json;
}

/** The group whose callback a run is, without the ends of its children. */
export interface CrossedGroup {
  readonly id: string;
  readonly total: number;
  readonly closed: GroupClosing;
}

/** A run as it crosses to its thread. */
export interface CrossedRun {
  /** Tells the messages of one run from those of others. */
  readonly number: number;
  readonly task: string;
  readonly sent: JsonObject;
  readonly payloadVersion: number;
  readonly vo: string;
  readonly taskId: string;
  readonly attempt: number;
  readonly headers: OwnHeaders;
  readonly leases: readonly HeldLease[];
  readonly group: CrossedGroup | undefined;
  readonly maxPayloadBytes: number;
  /** Whether the thread asks the task's retry policy. Otherwise the configuration has another policy in force. */
  readonly asksPolicy: boolean;
}

export type ToTaskThread =
  | { readonly kind: "run"; readonly run: CrossedRun }
  | { readonly kind: "abort"; readonly number: number; readonly reason: Crossed }
  | { readonly kind: "answer"; readonly question: number; readonly answer: unknown }
  | { readonly kind: "refusal"; readonly question: number; readonly error: Crossed };

/** What a run asks of the worker's own thread. */
export type Question =
  /** Begin the transaction, if it has not begun. */
  | { readonly of: "begin" }
  /** For the ledger's other half. */
  | { readonly of: "ledger"; readonly asked: unknown }
  /** The end of the child with this key. */
  | { readonly of: "child"; readonly key: string }
  /** The next ends of the children in this walk through all of them; none: there are no more. */
  | { readonly of: "children"; readonly walk: number };

/** The answers to {@linkcode Question}, by what is asked. */
export interface Answers {
  readonly begin: null;
  readonly ledger: unknown;
  readonly child: EndedChild | undefined;
  readonly children: readonly EndedChild[];
}

export type FromTaskThread =
  | { readonly kind: "ready"; readonly tasks: readonly string[] }
  | { readonly kind: "ask"; readonly number: number; readonly question: number; readonly asked: Question }
  | { readonly kind: "progress"; readonly number: number; readonly progress: Progress }
  | {
      readonly kind: "line";
      readonly number: number;
      readonly level: LineLevel;
      readonly message: string;
      /** Each of them as it crosses: an error has its class on neither side. */
      readonly fields: Readonly<Record<string, Crossed>>;
    }
  | {
      readonly kind: "returned";
      readonly number: number;
      readonly result: Json;
      readonly spawned: readonly SpawnedTask[];
    }
  | {
      readonly kind: "threw";
      readonly number: number;
      readonly error: Crossed;
      /** What the task's own retry policy says; absent: it was not asked. */
      readonly decided?: FailedOutcome;
    };
