/**
 * The SDK for the time of one command: loaded when first needed, connected to the brokers of the global flags, closed
 * whatever happens. A broker that nobody reaches fails here, before any input is read, with exit code 6.
 */
import type { Client } from "@tidemark/client";
import type { CommandContext } from "./command-context.ts";

/** How long a command waits for the first answer of any broker. */
const CONNECT_TIMEOUT_MS = 5_000;

export async function withClient<T>(context: CommandContext, use: (client: Client) => Promise<T>): Promise<T> {
  const { Client } = await import("@tidemark/client");
  const client = new Client({ brokers: context.flags.brokers, clientId: "tidemark-cli" });
  try {
    await client.ready({ timeout: context.flags.timeoutMs ?? CONNECT_TIMEOUT_MS, signal: context.signal });
    return await use(client);
  } finally {
    await client.close();
  }
}
