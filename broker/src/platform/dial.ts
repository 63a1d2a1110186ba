/** A plain connection, made and let go again: whether somebody listens at an address. */
import { connect } from "node:net";

/** Rejects with what the system said, or with an Error that nobody answered in time. Keeps no process alive. */
export function dial(to: { readonly host: string; readonly port: number }, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: to.host, port: to.port, timeout: timeoutMs });
    socket.unref();
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
    socket.once("timeout", () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    // A name of several addresses fails with what each of them said.
    socket.once("error", (error) => reject(error instanceof AggregateError ? error.errors[0] : error));
  });
}
