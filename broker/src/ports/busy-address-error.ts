/** A door cannot listen on its address: another process has it, or it is not ours to take. */
export class BusyAddressError extends Error {
  /** As Node says it: EADDRINUSE, EADDRNOTAVAIL, EACCES and so on. */
  readonly code: string;
  readonly host: string;
  readonly port: number;

  constructor(options: { door: string; host: string; port: number; code: string; cause: unknown }) {
    const { door, host, port, code, cause } = options;
    const reason = code === "EADDRINUSE" ? "the address is in use" : code;
    super(`the ${door} door cannot listen on ${host.includes(":") ? `[${host}]` : host}:${port}: ${reason}`, { cause });
    this.name = "BusyAddressError";
    this.code = code;
    this.host = host;
    this.port = port;
  }
}
