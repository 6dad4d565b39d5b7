import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

/** The files that pages load, each put together from these. Later styles win over earlier ones. */
const FILES: Readonly<Record<string, { readonly type: string; readonly from: readonly string[] }>> = {
  "dashboard.css": {
    type: "text/css; charset=utf-8",
    from: ["base", "frame", "parts", "charts", "tables", "states", "forms", "steps", "narrow"].map(
      (name) => `styles/${name}.css`,
    ),
  },
  "dashboard.js": { type: "text/javascript; charset=utf-8", from: ["dashboard.js"] },
  "icon.svg": { type: "image/svg+xml", from: ["icon.svg"] },
};

/** A file that pages load. */
export interface Asset {
  readonly type: string;
  readonly body: string;
}

/** The files that pages load, all of them our own. */
export interface Assets {
  readonly byName: ReadonlyMap<string, Asset>;
  /** Changes with any of them, so that browsers may keep them for long. */
  readonly digest: string;
}

/** Reads the files beside the sources; the build has them at the same place. */
export async function readAssets(): Promise<Assets> {
  const hash = createHash("sha256");
  const byName = new Map<string, Asset>();
  for (const [name, { type, from }] of Object.entries(FILES)) {
    const parts = from.map((file) => readFile(new URL(`../../assets/${file}`, import.meta.url), "utf8"));
    const body = (await Promise.all(parts)).join("\n");
    hash.update(body);
    byName.set(name, { type, body });
  }
  return { byName, digest: hash.digest("hex").slice(0, 12) };
}
