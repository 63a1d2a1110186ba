/** What a broker in this process logs, as events to wait for: `createBroker({ logger: new LogWatch() })`. */
import type { LogFields, Logger } from "../../../src/ports/index.ts";

export class LogWatch implements Logger {
  readonly #logged = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();

  debug = (message: string, _fields?: LogFields): void => this.#note(message);
  info = this.debug;
  warn = this.debug;
  error = this.debug;

  child(): Logger {
    return this;
  }

  /** Resolves when `message` has been logged, before this call or after it. Each line serves one call. */
  logged(message: string): Promise<void> {
    const count = this.#logged.get(message) ?? 0;
    if (count > 0) {
      this.#logged.set(message, count - 1);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#waiting.set(message, [...(this.#waiting.get(message) ?? []), resolve]);
    });
  }

  #note(message: string): void {
    const waiting = this.#waiting.get(message)?.shift();
    if (waiting === undefined) this.#logged.set(message, (this.#logged.get(message) ?? 0) + 1);
    else waiting();
  }
}
