/** A door on a free port with a broker behind it that the test commands, and a raw socket to knock with. */
import net from "node:net";

import {
  type BrokerView,
  type HealthCheck,
  type HttpDoor,
  type HttpDoorOptions,
  openHttpDoor,
} from "../../../src/listeners/http/index.ts";
import type { LogFields, Logger } from "../../../src/ports/index.ts";

/** Keeps what was logged. */
export class LogBook implements Logger {
  readonly lines: { level: string; message: string; fields: LogFields | undefined }[] = [];
  debug = (message: string, fields?: LogFields): void => this.#add("debug", message, fields);
  info = (message: string, fields?: LogFields): void => this.#add("info", message, fields);
  warn = (message: string, fields?: LogFields): void => this.#add("warn", message, fields);
  error = (message: string, fields?: LogFields): void => this.#add("error", message, fields);
  child(): Logger {
    return this;
  }
  #add(level: string, message: string, fields: LogFields | undefined): void {
    this.lines.push({ level, message, fields });
  }
}

export class FakeBroker implements BrokerView {
  live = true;
  waitingFor: string[] = [];
  renderMetrics: BrokerView["renderMetrics"] = (scope) =>
    Promise.resolve({ contentType: "text/plain; version=0.0.4; charset=utf-8", body: `# ${scope}\n` });
  readonly version = { version: "0.1.0", node: "v20.19.0" };
  isFull = false;
  checks(): HealthCheck[] {
    return [
      {
        name: "disk-space",
        ...(this.isFull ? { trouble: "disk-full", reason: "no room" } : { trouble: null, reason: null }),
      },
    ];
  }
  isLive(): boolean {
    return this.live;
  }
  readiness(): { ready: boolean; waitingFor: string[] } {
    return { ready: this.waitingFor.length === 0, waitingFor: this.waitingFor };
  }
}

export interface OpenDoor {
  readonly door: HttpDoor;
  readonly broker: FakeBroker;
  readonly log: LogBook;
  readonly url: string;
}

export async function openTestDoor(options: Partial<HttpDoorOptions> = {}): Promise<OpenDoor> {
  const broker = new FakeBroker();
  const log = new LogBook();
  const door = await openHttpDoor({ host: "127.0.0.1", port: 0, ...options }, broker, log);
  return { door, broker, log, url: `http://127.0.0.1:${door.address.port}` };
}

/** A raw connection to the door; `received` is all that came so far, as latin1. */
export class Knock {
  readonly socket: net.Socket;
  /** Resolves when the connection has ended, however it did. */
  readonly ended: Promise<void>;
  received = "";

  constructor(door: { readonly address: { readonly port: number } }) {
    this.socket = net.connect(door.address.port, "127.0.0.1");
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => (this.received += text));
    this.socket.on("error", () => this.socket.destroy());
    this.ended = new Promise((resolve) => this.socket.once("close", () => resolve()));
  }

  /** Resolves when `text` has been received; rejects when the connection ends before. */
  async until(text: string): Promise<void> {
    while (!this.received.includes(text)) {
      await new Promise<void>((resolve, reject) => {
        const onClose = (): void => reject(new Error(`the connection ended after: ${this.received}`));
        this.socket.once("close", onClose);
        this.socket.once("data", () => {
          this.socket.off("close", onClose);
          resolve();
        });
      });
    }
  }
}
