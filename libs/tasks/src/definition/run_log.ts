/**
 * Writes lines about one run: into the app's log, with the run's task, id, VO, attempt and trace. From level info on they are told as events of
 * the task too, where `muster task show` has them: 50 lines of a run at most, of 1 kB each.
 *
 * Calls return at once and never throw.
 *
 * ```ts
 * const AskTask = atLeastOnceFactory()({
 *   name: "AskTask",
 *   execute: ({ log }) => log.info("asked the site", { site: "cern", seconds: 3 }),
 * });
 * ```
 */
export interface RunLog {
  /** For those who look for a mistake. It is no event. */
  debug(message: string, fields?: object): void;
  /** Tells what was done. */
  info(message: string, fields?: object): void;
  /** Tells what somebody should look at. */
  warn(message: string, fields?: object): void;
  /** Tells what has gone wrong. The run goes on: throw where it is to fail. */
  error(message: string, fields?: object): void;
}
