import test from "ava";
import { findFreePort } from "./port.ts";

/** So many that two of them would be the same in all but one of 300 runs, were they chosen from the 22,001 ports by chance alone. */
const PORTS = 500;

test("a free port is returned once, however many are asked for before the first one is used", async (t) => {
  const ports = new Set<number>();
  for (let asked = 0; asked < PORTS; asked++) ports.add(await findFreePort());
  t.is(ports.size, PORTS);
});
