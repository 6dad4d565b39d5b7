import { isIP } from "node:net";

/** Names under which this machine calls itself. */
const LOCAL: ReadonlySet<string> = new Set(["localhost", "localhost.localdomain"]);

/** The host in a `Host` header, without its port and brackets; undefined: it is none. */
export function hostOf(header: string | undefined): string | undefined {
  if (header === undefined || !/^[A-Za-z0-9.:[\]_-]+$/.test(header)) return undefined;
  try {
    return new URL(`http://${header}`).hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  } catch {
    return undefined; // no host
  }
}

/**
 * Whether a request may have been meant for us, by its `Host` header: an address, `localhost`, or a name that a setting allows.
 *
 * A page of another site can be made to lead here by its own name, which then resolves to this address (DNS rebinding). Such a
 * request bears that name. An address cannot be rebound.
 */
export function isOurHost(header: string | undefined, names: readonly string[]): boolean {
  const host = hostOf(header);
  return host !== undefined && (isIP(host) !== 0 || LOCAL.has(host) || names.includes(host));
}

/** What a request says of where it comes from. */
export interface Provenance {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** The browser's own word: `same-origin`, `same-site`, `cross-site`, or `none` for what the user typed. */
  readonly site: string | undefined;
}

/**
 * Whether a request that changes something comes from a page of ours, or from no page at all.
 *
 * Browsers send `Origin` with each POST. A program sends none of these headers, and brings the token instead of a cookie.
 */
export function isFromOurPage({ host, origin, site }: Provenance): boolean {
  if (site !== undefined && site !== "same-origin") return false;
  if (origin === undefined) return site !== undefined;
  try {
    return new URL(origin).host === host?.toLowerCase();
  } catch {
    return false; // `null`, as of a sandboxed frame
  }
}
