/**
 * Builds the pages of all public names of the libraries from their doc comments, with TypeDoc.
 *
 * @module
 */
export { buildReference, type BuiltReference } from "./build_reference.ts";
