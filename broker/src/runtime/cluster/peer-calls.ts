/**
 * Control calls between brokers: a method has a name, its request and its answer are plain objects and go over the wire as JSON in an
 * envelope with a version (decision 0021). An error is an answer too, so that it says more than its code: who leads, if it knows.
 *
 *     {"v":1,"request":…}      {"v":1,"answer":…}  or  {"v":1,"error":{"code":"NOT_CONTROLLER","message":…,"leaderId":2}}
 *
 * What comes from a peer has its envelope checked here; what stands in it is the affair of the method.
 */
import { isErrorName, ProtoError } from "@tidemark/proto";
import { type Logger, type PeerAddress, PeerError, type PeerIdentity, type PeerTransport } from "../../ports/index.ts";
import { NotController } from "../controller-commands.ts";

const VERSION = 1;

export type PeerMethod = (request: unknown, from: PeerIdentity) => Promise<unknown>;

/** The methods that a node answers. */
export class PeerCalls {
  readonly #methods = new Map<string, PeerMethod>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** In the place of an earlier one of this name. */
  handle(name: string, method: PeerMethod): void {
    this.#methods.set(name, method);
  }

  /** Never rejects. */
  async serve(name: string, body: Buffer, from: PeerIdentity): Promise<Uint8Array> {
    try {
      const method = this.#methods.get(name);
      if (method === undefined)
        throw new ProtoError("COORDINATOR_NOT_AVAILABLE", `this broker does not answer ${name}, or not yet`);
      return encode({ v: VERSION, answer: await method(fieldOf(decode(body), "request"), from) });
    } catch (thrown: unknown) {
      return encode({ v: VERSION, error: this.#told(name, thrown, from) });
    }
  }

  #told(name: string, thrown: unknown, from: PeerIdentity): object {
    if (thrown instanceof NotController)
      return {
        code: thrown.code,
        message: thrown.message,
        leaderId: thrown.leaderId,
        ...(thrown.mayBeDone ? { mayBeDone: true } : {}),
      };
    if (thrown instanceof ProtoError) return { code: thrown.code, message: thrown.message };
    this.#logger.error("a call of a peer failed unexpectedly", { method: name, brokerId: from.nodeId, err: thrown });
    return { code: "UNKNOWN_SERVER_ERROR", message: `${name} failed` };
  }
}

/**
 * Asks a peer. Rejects with PeerError where there was no answer, and with ProtoError, NotController among them, where the answer is an
 * error.
 */
export async function askPeer(
  transport: PeerTransport,
  to: PeerAddress,
  call: { readonly method: string; readonly request: unknown; readonly timeoutMs: number },
): Promise<unknown> {
  const body = await transport.call(to, call.method, encode({ v: VERSION, request: call.request }), call.timeoutMs);
  const envelope = decode(Buffer.from(body.buffer, body.byteOffset, body.length));
  const error = Reflect.get(envelope, "error") as unknown;
  if (typeof error !== "object" || error === null) return fieldOf(envelope, "answer");
  const [code, message, leaderId] = ["code", "message", "leaderId"].map((key) => Reflect.get(error, key) as unknown);
  const text = typeof message === "string" ? message : "";
  if (code === "NOT_CONTROLLER") {
    const mayBeDone = Reflect.get(error, "mayBeDone") === true;
    throw new NotController(text, typeof leaderId === "number" ? leaderId : -1, { mayBeDone });
  }
  throw new ProtoError(typeof code === "string" && isErrorName(code) ? code : "UNKNOWN_SERVER_ERROR", text);
}

/** Whom this node waits for, and why: `node 3 at db-3:9392 (connect ECONNREFUSED 10.0.0.3:9392)`. */
export function peerInTrouble({ nodeId, host, port }: PeerAddress, error: Error): string {
  const name = `node ${nodeId} at ${host.includes(":") ? `[${host}]` : host}:${port}`;
  // What could not be reached is named by its error as well; a refusal may name somebody else.
  const isRefusal = !(error instanceof PeerError) || error.kind === "refused";
  const reason = isRefusal ? error.message : error.message.replace(/^node \d+(?: at \S+?)?:? /u, "");
  return `${name} (${reason})`;
}

/** Whether what was asked may have been done all the same. */
export function mayHaveBeenDone(error: PeerError): boolean {
  return error.kind === "timeout" || error.kind === "closed";
}

function encode(envelope: object): Uint8Array {
  return Buffer.from(JSON.stringify(envelope));
}

function decode(body: Buffer): object {
  let envelope: unknown;
  try {
    envelope = JSON.parse(body.toString("utf8"));
  } catch (cause: unknown) {
    throw new ProtoError("INVALID_REQUEST", "the body of a call is not JSON", { cause });
  }
  if (typeof envelope !== "object" || envelope === null)
    throw new ProtoError("INVALID_REQUEST", "the body of a call is no object");
  const version = Reflect.get(envelope, "v") as unknown;
  if (version !== VERSION)
    throw new ProtoError("UNSUPPORTED_VERSION", `calls of version ${String(version)}; this broker speaks ${VERSION}`);
  return envelope;
}

function fieldOf(envelope: object, name: string): unknown {
  const value = Reflect.get(envelope, name) as unknown;
  if (value === undefined) throw new ProtoError("INVALID_REQUEST", `the body of a call has no ${name}`);
  return value;
}
