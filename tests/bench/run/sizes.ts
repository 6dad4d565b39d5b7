/** How much is measured. */
export interface Sizes {
  readonly rounds: number;
  /** Tasks of one bulk. */
  readonly bulk: number;
  /** Tasks that warm each process up. */
  readonly warmUp: number;
  /** Single tasks timed. */
  readonly samples: number;
  /** Background tasks waiting while something else is timed. */
  readonly waiting: number;
  /** Submissions of pilots. */
  readonly pilots: number;
  /** How many wait, for the charts. */
  readonly growth: readonly number[];
  /** Locks taken one by one. */
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
  growth: [1_000, 10_000],
};
