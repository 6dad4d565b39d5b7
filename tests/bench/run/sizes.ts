/** The numbers of a run. */
export interface Sizes {
  readonly rounds: number;
  /** Tasks of one bulk. */
  readonly bulk: number;
  /** Number of tasks that warm up each process. */
  readonly warmUp: number;
  /** Number of tasks that are timed one by one. */
  readonly samples: number;
  /** Number of background tasks that wait while something else is timed. */
  readonly waiting: number;
  /** Number of pilots that are submitted. */
  readonly pilots: number;
  /** Numbers of waiting tasks in the charts. */
  readonly growth: readonly number[];
  /** Numbers of ended pilots in the database. */
  readonly ended: readonly number[];
  /** Number of locks that are taken one by one. */
  readonly locks: number;
}

export const FULL: Sizes = {
  rounds: 5,
  bulk: 50_000,
  warmUp: 5_000,
  samples: 500,
  waiting: 1_000_000,
  pilots: 2_000,
  locks: 2_000,
  ended: [10_000, 1_000_000, 10_000_000],
  growth: [1_000, 10_000, 100_000, 1_000_000],
};
export const QUICK: Sizes = {
  rounds: 3,
  bulk: 10_000,
  warmUp: 2_000,
  samples: 100,
  waiting: 50_000,
  pilots: 400,
  locks: 500,
  ended: [10_000, 200_000],
  growth: [1_000, 10_000],
};
