import { activeVos, readConfiguration } from "@muster/tasks/operate";
import { complain, describeFailure } from "../run/failure.ts";
import { withBroker } from "../run/servers.ts";

/**
 * Warns, on standard error, about VOs that a CE is limited to and that are not configured. A misspelt VO would admit nobody.
 *
 * It does not fail: the limits of CEs and the VOs may be set in either order. Where NATS cannot be asked, it says so.
 */
export async function warnOfUnknownVos(ceName: string, vos: readonly string[] = []): Promise<void> {
  if (vos.length === 0) return;
  let active: readonly string[];
  try {
    active = activeVos(await withBroker(readConfiguration));
  } catch (error) {
    complain(`Cannot tell whether these VOs are configured: ${vos.join(", ")}: ${describeFailure(error)}`);
    return;
  }
  for (const vo of vos.filter((name) => !active.includes(name))) {
    complain(
      `VO ${vo} is not configured, so nothing of it comes to ${ceName}; add it with \`muster vo add ${vo}\`, or mend its name`,
    );
  }
}
