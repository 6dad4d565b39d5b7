/** One setting that cannot be used. */
export interface SettingProblem {
  /** The environment variable's name. */
  readonly setting: string;
  /** What it holds, without the secrets in URLs. */
  readonly value: string;
  /** What it may hold. */
  readonly allowed: string;
}
