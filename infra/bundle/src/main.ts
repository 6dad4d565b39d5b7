// The program behind the bundle's part of `npm run build`, and what `npm start` runs where the sources have changed since.
import { makeBundle } from "./make_bundle.ts";

await makeBundle();
