import * as z from "zod";

/** Whether `text` is a URL of one of `protocols`. */
export function isUrl(text: string, protocols: readonly string[]): boolean {
  return protocols.includes(URL.parse(text)?.protocol ?? "");
}

/** Whether each % in user, password and path of a URL begins a byte. Who uses the URL decodes them. */
export function isWellEncoded(text: string): boolean {
  const url = URL.parse(text);
  try {
    for (const part of [url?.username, url?.password, url?.pathname]) decodeURIComponent(part ?? "");
    return true;
  } catch {
    return false;
  }
}

function isNatsServer(text: string): boolean {
  // The nats command takes a bare host with a port, too.
  return isUrl(text, ["nats:", "tls:", "ws:", "wss:"]) || (!text.includes("://") && URL.canParse(`nats://${text}`));
}

/**
 * The environment's variables of NATS. The values of a login are checked later, when they are joined with a context.
 */
export const NatsVariables = z.object({
  NATS_URL: z
    .string()
    .refine(
      (text) => text.split(",").every((server) => isNatsServer(server.trim())),
      "nats://host:port, tls://, ws:// or wss://, or several with commas between",
    )
    .optional(),
  NATS_USER: z.string().optional(),
  NATS_PASSWORD: z.string().optional(),
  NATS_PASSWORD_FILE: z.string().optional(),
  NATS_TOKEN: z.string().optional(),
  NATS_NKEY: z.string().optional(),
  NATS_CREDS: z.string().optional(),
  NATS_JWT: z.string().optional(),
  NATS_SEED: z.string().optional(),
  NATS_CA: z.string().optional(),
  NATS_CERT: z.string().optional(),
  NATS_KEY: z.string().optional(),
  NATS_INBOX_PREFIX: z.string().optional(),
  NATS_CONTEXT: z.string().optional(),
  NATS_TLS_FIRST: z
    .enum(["true", "false", "1", "0"], "true or false")
    .transform((text) => text === "true" || text === "1")
    .optional(),
});
export type NatsVariables = Readonly<z.output<typeof NatsVariables>>;
