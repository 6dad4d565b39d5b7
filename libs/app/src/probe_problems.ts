import type { Health } from "@muster/service";

/** Makes /readyz red while `problems` returns any, and shows them all. */
export function probeProblems(health: Health, check: string, problems: () => readonly string[]): void {
  health.probe(check, async () => {
    const found = problems();
    if (found.length > 0) throw new Error(found.join("; "));
  });
}
