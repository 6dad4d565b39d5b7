import type { ConfigurationFile } from "@muster/tasks/operate";
import { Document } from "yaml";

/** Prints a configuration as a YAML text that `readConfigurationText` reads as the same. */
export function printConfiguration(file: ConfigurationFile): string {
  return new Document(file, { version: "1.2" }).toString({ lineWidth: 0 });
}
