/** A port for a broker that goes and comes back on it. */
import net from "node:net";

/** Below the ports that systems hand out by themselves (Linux: from 32768). */
const FROM = 12_000;
const TO = 32_000;

/** A free port that is no other socket's by chance: a broker that gave it up finds it free again. */
export async function steadyPort(): Promise<number> {
  for (;;) {
    const port = FROM + Math.floor(Math.random() * (TO - FROM));
    const server = net.createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
