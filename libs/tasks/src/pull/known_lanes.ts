import type { AnyTask } from "../definition/task.ts";
import { knownVos } from "./known_vos.ts";
import type { Lane } from "../policy/lane.ts";
import type { Lanes } from "../policy/lanes.ts";
import { newLane } from "./lane_consumer.ts";
import type { TaskSourceOptions } from "./task_source.ts";

function keyOf(task: string, vo: string): string {
  return `${task} ${vo}`;
}

/** The lanes that a worker has come across, of its own tasks and of VOs that are configured. */
export class KnownLanes {
  readonly #policy: Lanes;
  readonly #tasks: ReadonlyMap<string, AnyTask>;
  readonly #knows;
  readonly #lanes = new Map<string, Lane>();
  readonly #byNumber: Lane[] = [];

  /** The policy hears of each lane, and of each whose VO is configured no more. */
  constructor(options: TaskSourceOptions) {
    this.#policy = options.policy.lanes;
    this.#tasks = new Map(options.tasks.map((task) => [task.name, task]));
    this.#knows = knownVos(options);
  }

  [Symbol.iterator](): Iterator<Lane> {
    return this.#lanes.values();
  }

  /** The lane, known from now on; undefined: not for this worker. */
  find(task: string, vo: string): Lane | undefined {
    const key = keyOf(task, vo);
    const known = this.#lanes.get(key);
    const definition = this.#tasks.get(task);
    if (definition === undefined || !this.#knows(definition.per, vo)) {
      if (known !== undefined) this.#forget(key, known);
      return undefined;
    }
    if (known !== undefined) return known;
    const lane = newLane({ number: this.#byNumber.length, definition, vo });
    this.#lanes.set(key, lane);
    this.#byNumber.push(lane);
    this.#policy.add(lane);
    return lane;
  }

  /** The known lane of a task's subject. */
  ofSubject(subject: string): Lane | undefined {
    const end = subject.indexOf(".", "tasks.".length);
    return this.#lanes.get(keyOf(subject.slice("tasks.".length, end), subject.slice(end + 1)));
  }

  /** The lane by its number, also one that has been forgotten. */
  numbered(number: number): Lane | undefined {
    return this.#byNumber[number];
  }

  #forget(key: string, lane: Lane): void {
    this.#lanes.delete(key);
    this.#policy.remove(lane);
  }
}
