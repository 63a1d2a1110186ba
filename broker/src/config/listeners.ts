/** The syntax of `listeners`: `NAME://host:port`, IPv6 in brackets, an empty host for every address of the machine. */
import type { Listener } from "./row.ts";

const SYNTAX = /^([A-Z][A-Z0-9_]*):\/\/(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]*)):([0-9]{1,5})$/;

/** Null when the text is not a listener. */
export function parseListener(text: string): Listener | null {
  const match = SYNTAX.exec(text);
  if (match === null) return null;
  const [, name = "", ipv6, host = "", portText = ""] = match;
  const port = Number(portText);
  if (port > 65_535) return null;
  return Object.freeze({ name, host: ipv6 ?? (host === "" ? "0.0.0.0" : host), port });
}

export function formatListener({ name, host, port }: Listener): string {
  return `${name}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Whether only this machine reaches the host. A name other than localhost may resolve to anything: no. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
