import { stringify } from "yaml";

/** A value as one document of YAML. A module of its own, so that only those commands load the package that print YAML. */
export function toYaml(value: unknown): string {
  return stringify(value);
}
