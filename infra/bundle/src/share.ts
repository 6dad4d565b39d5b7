import type { Entry } from "./entries.ts";

/**
 * The module that each process and thread of the bundle loads first. It leads what an extension imports to the one copy that the bundle has.
 *
 * Without it an extension would load a second copy from its own node_modules, with classes of its own.
 */
export function shareModule(entries: readonly Entry[]): string {
  const places = Object.fromEntries(entries.flatMap(({ shared, place }) => (shared ? [[shared, `${place}.js`]] : [])));
  return `
import { registerHooks } from "node:module";
const places = ${JSON.stringify(places)};
registerHooks({
  resolve(asked, context, next) {
    if (!Object.hasOwn(places, asked)) return next(asked, context);
    return { url: new URL(places[asked], $musterRoot).href, format: "module", shortCircuit: true };
  },
});
`;
}
