// Tested by libs/tasks/src/definition/middleware_test.ts

function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
}

/** A frozen copy; the value itself where it holds what cannot be copied, as a function of a schema's own. */
function frozenCopy(value: unknown): unknown {
  try {
    const copy: unknown = structuredClone(value);
    freeze(copy);
    return copy;
  } catch (error) {
    if (error instanceof DOMException) return value;
    throw error;
  }
}

/**
 * `subject` as hooks see it: its payload is a frozen copy, made when a hook first looks. What was checked is what is stored and run, whatever a
 * hook does. The copy of an object of a class is a plain one.
 */
export function withSeenPayload<Subject extends { readonly payload: unknown }>(subject: Subject): Subject {
  let copy: { readonly of: unknown } | undefined;
  const payload = () => {
    copy ??= { of: frozenCopy(subject.payload) };
    return copy.of;
  };
  // Other fields stay as they are: the log of a run is made when it is asked for.
  const seen = { ...Object.getOwnPropertyDescriptors(subject), payload: { enumerable: true, get: payload } };
  return Object.defineProperties({}, seen) as Subject;
}
