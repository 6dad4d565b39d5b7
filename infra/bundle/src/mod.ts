/**
 * Makes the apps and the command line as they run in production: few files, with one copy of each library.
 *
 * @module @muster/bundle
 */
export { BUNDLE, makeBundle } from "./make_bundle.ts";
export { withoutSpareNames } from "./names.ts";
