/** A process that is one broker: starts it, tells its address to the parent, stops cleanly on SIGTERM. */
import { startBroker } from "./test-broker.ts";

const broker = await startBroker(JSON.parse(process.argv[2] ?? "{}") as Record<string, string>);
process.once("SIGTERM", () => {
  void broker.stop().then(() => process.exit(0));
});
// Without its parent nobody would stop it.
process.once("disconnect", () => process.exit(1));
process.send?.(broker.grpcAddress);
