/** Greatest number of results that one reader keeps. */
const KEPT = 200;

interface Kept<Result> {
  readonly result: Promise<Result>;
  readonly askedAtMs: number;
}

/**
 * Makes many readers of the same thing one: a result that is at most `ttlMs` old serves all who ask, also while it is on its way. A
 * failure is not kept.
 */
export function shared<Question, Result>(
  read: (question: Question) => Promise<Result>,
  ttlMs: number,
): (question: Question) => Promise<Result> {
  const kept = new Map<string, Kept<Result>>();

  function ask(key: string, question: Question): Promise<Result> {
    const asked: Kept<Result> = { result: read(question), askedAtMs: performance.now() };
    kept.delete(key);
    kept.set(key, asked);
    const [oldest] = kept.keys();
    if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
    asked.result.catch(() => {
      // The callers are told by the promise itself. Only the next one must not be told again without a new try.
      if (kept.get(key) === asked) kept.delete(key);
    });
    return asked.result;
  }

  return (question) => {
    const key = JSON.stringify(question ?? null);
    const known = kept.get(key);
    if (known !== undefined && performance.now() - known.askedAtMs <= ttlMs) return known.result;
    return ask(key, question);
  };
}
