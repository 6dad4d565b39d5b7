const SITUATIONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is taken; stop what listens there, or set HTTP_PORT to another one (0: any free one)",
  EACCES: "this user may not open it; set HTTP_PORT to one above 1023",
  EADDRNOTAVAIL: "this machine has no such address; set HTTP_HOST to one it has (0.0.0.0: all of them)",
  ENOTFOUND: "no such host is known; set HTTP_HOST to an address of this machine",
};

/** The health port cannot be opened. `code` is the system's, e.g. `EADDRINUSE`. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: string;
  readonly host: string;
  readonly port: number;
  constructor({ host, port }: { host: string; port: number }, code: string, systemText: string) {
    super(`Cannot serve health on HTTP_PORT ${port} of ${host}: ${SITUATIONS[code] ?? systemText}`);
    this.code = code;
    this.host = host;
    this.port = port;
  }
}
