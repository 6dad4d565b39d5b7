import type { AnyTask } from "../definition/task.ts";
import { knownVos } from "./known_vos.ts";
import { type Lane, Rings } from "./lane.ts";
import { newLane } from "./lane_consumer.ts";
import type { TaskSourceOptions } from "./task_source.ts";

function keyOf(task: string, vo: string): string {
  return `${task} ${vo}`;
}

/** The lanes that a worker has come across, of its own tasks and of VOs that are configured. */
export class KnownLanes {
  readonly rings = new Rings();
  readonly #tasks: ReadonlyMap<string, AnyTask>;
  readonly #knows;
  readonly #lanes = new Map<string, Lane>();
  readonly #byNumber: Lane[] = [];
  readonly #onForgotten: (lane: Lane) => void;

  /** `onForgotten` hears of each lane whose VO is configured no more. */
  constructor(options: TaskSourceOptions, onForgotten: (lane: Lane) => void) {
    this.#tasks = new Map(options.tasks.map((task) => [task.name, task]));
    this.#knows = knownVos(options);
    this.#onForgotten = onForgotten;
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
    this.rings.of(lane).add(lane);
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

  isKnown({ definition, vo }: Lane): boolean {
    return this.#lanes.has(keyOf(definition.name, vo));
  }

  #forget(key: string, lane: Lane): void {
    this.#lanes.delete(key);
    this.rings.of(lane).remove(lane);
    this.#onForgotten(lane);
  }
}
