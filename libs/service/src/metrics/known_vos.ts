import { OTHER } from "./family.ts";

/** The VO of a task that is not per VO, as subjects state it. */
const NO_VO = "_";

/** Which VOs have figures of their own. The others share one label value, since anybody may publish under any name. */
export interface KnownVos {
  /** Sets the VOs that are configured. Until then none is known. */
  set(names: readonly string[]): void;
  /** `vo`, or `other` where it is not configured. */
  labelOf(vo: string): string;
}

/** Knows no VO at first. */
export function knownVos(): KnownVos {
  let known: ReadonlySet<string> = new Set();
  return {
    set(names) {
      known = new Set(names);
    },
    labelOf: (vo) => (vo === NO_VO || known.has(vo) ? vo : OTHER),
  };
}
