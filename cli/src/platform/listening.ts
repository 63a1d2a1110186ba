/** Whether somebody listens at an address: for who must know, before he acts, that a process elsewhere does not run. */
import net from "node:net";

const DIAL_MS = 2_000;

/** False: it was refused, or nobody answered in time. */
export function isListening({ host, port }: { readonly host: string; readonly port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const end = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.setTimeout(DIAL_MS, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
