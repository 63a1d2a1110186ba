/**
 * The shipping broker for the simulation: composed as ever, in a world of ports that is handed in. What a start loads late is loaded
 * here, since loading takes turns of the real event loop, and the simulation knows none.
 */
import "./api/admin.ts";
import "./broker-cluster.ts";
import "./runtime/controller-duties.ts";
import "./runtime/quorum-operations.ts";
import { Broker } from "./broker.ts";
import { loadConfig } from "./config/index.ts";
import type { MakeNode } from "./sim/index.ts";

export const makeNode: MakeNode = ({ keys, world, logger, onFatal }) => {
  // The profile of small segments and waits.
  const loaded = loadConfig({ profile: "dev", env: {}, flags: keys });
  if (!loaded.ok) throw new Error(loaded.problems.map(({ key, message }) => `${key} ${message}`).join("; "));
  return new Broker({ config: loaded.config, world, logger, onFatal });
};
