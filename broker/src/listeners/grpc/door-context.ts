/** What the parts of the gRPC door share: what it learns of its clients, and how errors become coded ones. */
import type { Metadata } from "@grpc/grpc-js";
import type { IncomingHttpHeaders } from "node:http2";
import { toApiError } from "../../api/index.ts";
import { isLoopback } from "../../config/index.ts";
import type { ApiError, BrokerContext, ClientContext, Refusals, UnfinishedMessages } from "../../api/index.ts";
import type { Pace } from "./pace.ts";

/** What every call of this door may lean on. */
export interface DoorContext extends BrokerContext {
  readonly refusals: Refusals;
  /** Of the calls that grpc-js serves. */
  readonly pace: Pace;
  /** Answers of such calls that their clients have not read. */
  readonly unread: UnfinishedMessages;
}

/** Request metadata by which a client names itself. */
const CLIENT_ID_KEY = "tidemark-client-id";
/** It goes into log lines, which a client shall not make as long as it likes. */
const CLIENT_ID_CHARACTERS = 256;

/** The parts of a call of grpc-js that tell of its client, whatever the shape of the call. */
interface SurfaceCall {
  readonly metadata: Metadata;
  getHost(): string;
  /** "127.0.0.1:40000", "::1:40000", "unknown". */
  getPeer(): string;
}

export function clientOf(call: SurfaceCall): ClientContext {
  const [clientId] = call.metadata.get(CLIENT_ID_KEY);
  const isLocal = isOwn(call.getPeer().replace(/:\d+$/u, ""));
  return { clientId: nameOf(clientId), dialledHost: hostOf(call.getHost()), isLocal };
}

export function clientFrom(headers: IncomingHttpHeaders, remoteAddress = ""): ClientContext {
  const clientId = headers[CLIENT_ID_KEY];
  return {
    clientId: nameOf(clientId),
    dialledHost: hostOf(headers[":authority"] ?? headers.host),
    isLocal: isOwn(remoteAddress),
  };
}

/** A door on every address of both families names IPv4 clients in IPv6. */
const isOwn = (address: string): boolean => isLoopback(address.replace(/^::ffff:/u, ""));

const nameOf = (clientId: unknown): string =>
  typeof clientId === "string" ? clientId.slice(0, CLIENT_ID_CHARACTERS) : "";

/** The host of an `:authority`: "broker-1:9192", "[::1]:9192"; null when it has none. */
export function hostOf(authority: string | undefined): string | null {
  if (authority === undefined || authority === "") return null;
  const bracketed = /^\[([0-9a-fA-F:.]+)\](?::\d+)?$/u.exec(authority);
  if (bracketed !== null) return bracketed[1] ?? null;
  const [host = "", port, ...rest] = authority.split(":");
  if (rest.length > 0 || host === "" || (port !== undefined && !/^\d+$/u.test(port))) return null;
  return host;
}

/** Identity: the door hands bytes through and encodes by hand. */
export function asBytes(bytes: Buffer): Buffer {
  return bytes;
}

/** The error that a call ends with; counted among the refusals of the door. */
export function errorOf(thrown: unknown, during: string, context: DoorContext): ApiError {
  const error = toApiError(thrown, during, context.errors);
  context.refusals.count("request", error.code);
  return error;
}
