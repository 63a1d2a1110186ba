/** What the HTTP door answers a request with. */
import type { Readable } from "node:stream";

const JSON_TYPE = "application/json; charset=utf-8";

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is sent in the place of the body. */
  readonly stream?: Readable;
}

/** The body of every refusal, also of those that come before a route is looked up. */
export function refusal(status: number, code: string, message: string): Answer {
  return json(status, { error: { code, message } });
}

export function json(status: number, value: unknown): Answer {
  return { status, contentType: JSON_TYPE, body: JSON.stringify(value) };
}
