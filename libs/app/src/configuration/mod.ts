/**
 * Reads and prints the configuration as a file, the same in each program that takes one: `muster config apply` and the dashboard.
 *
 * @module @muster/app/configuration
 */
export { configurationWarnings } from "./configuration_warnings.ts";
export { decodeConfiguration } from "./decode_configuration.ts";
export { printConfiguration } from "./print_configuration.ts";
export {
  type GoodConfiguration,
  MAX_CONFIGURATION_BYTES,
  type ReadConfiguration,
  readConfigurationText,
} from "./read_configuration.ts";
export { type Place, readYaml, type SourceProblem, type YamlSource } from "./yaml_source.ts";
