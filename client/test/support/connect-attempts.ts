import { subscribe, unsubscribe } from "node:diagnostics_channel";

/** Resolves when this process has tried so often from now on to connect a socket, in vain or not. */
export function connectAttempts(count: number): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    const onSocket = (): void => {
      seen += 1;
      if (seen < count) return;
      unsubscribe("net.client.socket", onSocket);
      resolve();
    };
    subscribe("net.client.socket", onSocket);
  });
}
