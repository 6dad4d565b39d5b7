// Ends with 0 if the app of this container is alive, else with 1. Asks /healthz, which is red only where a restart helps.
import { get } from "node:http";

/** Longest time until the answer, ms. */
const TIMEOUT_MS = 4_000;

const { HTTP_HOST: host = "127.0.0.1", HTTP_PORT: port = "" } = process.env;
/** Addresses that stand for all of this machine's, and one of its own for each. */
const OWN = { "0.0.0.0": "127.0.0.1", "::": "::1" };

function end(problem) {
  if (problem !== undefined) console.error(problem);
  process.exit(problem === undefined ? 0 : 1);
}

if (!/^[1-9][0-9]*$/.test(port)) end("Cannot ask for the health: HTTP_PORT is not set to a port; set it to one");
const request = get({ host: OWN[host] ?? host, port, path: "/healthz", timeout: TIMEOUT_MS }, (response) => {
  end(response.statusCode === 200 ? undefined : `/healthz says ${response.statusCode}`);
});
request.on("timeout", () => end(`/healthz has not answered for ${TIMEOUT_MS} ms`));
request.on("error", ({ message }) => end(`/healthz cannot be asked: ${message}`));
