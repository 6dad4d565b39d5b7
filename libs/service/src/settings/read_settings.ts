import { isSecretName, redactSetting } from "./redact.ts";
import { readNats } from "./nats_settings.ts";
import type { SettingProblem } from "./setting_problem.ts";
import { type Settings, Environment } from "./settings.ts";

/** The environment holds settings that cannot be used; `problems` lists them all. */
export class InvalidSettingsError extends Error {
  override readonly name = "InvalidSettingsError";
  readonly problems: readonly SettingProblem[];
  constructor(problems: readonly SettingProblem[]) {
    const list = problems.map(
      ({ setting, value, allowed }) => `${setting} is ${JSON.stringify(value)}, allowed is ${allowed}`,
    );
    super(`Cannot use the settings: ${list.join("; ")}`);
    this.problems = problems;
  }
}

/**
 * Checks and converts the settings of `environment` (default: the process's own). A variable that is set to nothing counts as unset.
 *
 * Throws {@linkcode InvalidSettingsError}, which names every bad setting and not just the first.
 *
 * @example
 * ```ts
 * import { readSettings } from "@muster/service";
 * const { httpPort, permits } = readSettings({ HTTP_PORT: "8080", MUSTER_PERMITS: "20" });
 * ```
 */
export function readSettings(environment: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ""),
  );
  const answer = Environment.safeParse(given);
  if (answer.success) {
    const { settings, nats } = answer.data;
    const said = readNats(nats, given);
    if ("setting" in said) throw new InvalidSettingsError([said]);
    return { ...settings, natsUrl: said.url, nats: said.nats };
  }
  throw new InvalidSettingsError(
    answer.error.issues.map(({ path, message }) => {
      const setting = String(path[0]);
      const value = given[setting] ?? "";
      return { setting, value: isSecretName(setting) ? "***" : redactSetting(value), allowed: message };
    }),
  );
}
