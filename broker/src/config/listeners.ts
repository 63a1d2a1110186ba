/**
 * The syntax of `listeners`: `NAME://host:port`, IPv6 in brackets, an empty host for every address of the machine; and that of
 * voters: `id@host:port`, where the id may be the number that ends the host name, and the port the usual one.
 */
import type { Listener, Voter } from "./row.ts";

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

/** Of the PEER listener. */
export const PEER_PORT = 9392;

const VOTER_SYNTAX = /^(?:([0-9]{1,10})@)?(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@[\]]+))(?::([0-9]{1,5}))?$/;

/** A message where the text is no voter. */
export function parseVoter(text: string): Voter | string {
  const match = VOTER_SYNTAX.exec(text);
  if (match === null) return "is not id@host:port";
  const [, idText, ipv6, name = "", portText] = match;
  const host = ipv6 ?? name;
  const port = portText === undefined ? PEER_PORT : Number(portText);
  if (port === 0) return "has port 0, which nobody can dial";
  if (port > 65_535) return "has a port beyond 65535";
  const nodeId = idText === undefined ? numberSuffixOf(host) : Number(idText);
  if (nodeId === null) return "says no node id: its host name ends in no number; write id@host";
  if (nodeId > 2 ** 31 - 1) return "has a node id beyond 2147483647";
  if (/^\d+$/.test(host)) return `names no host: ${host} is a number`;
  return Object.freeze({ nodeId, host, port });
}

export function formatVoter({ nodeId, host, port }: Voter): string {
  return `${nodeId}@${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The number that ends a host's name, before its domain: broker-3 is 3; null where there is none. An address is no name. */
export function numberSuffixOf(host: string): number | null {
  if (host.includes(":") || /^\d+(\.\d+){3}$/.test(host)) return null;
  const [name = ""] = host.split(".");
  const digits = /(?:^|[^0-9])0*([0-9]{1,9})$/.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Whether only this machine reaches the host. A name other than localhost may resolve to anything: no. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
