/**
 * Which lines are written: one level for all, and levels of single components above or below it. May be changed at any
 * time; loggers that were handed out before follow.
 */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export const logRanks: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

export class LogLevels {
  #level: LogLevel;
  #byComponent: ReadonlyMap<string, LogLevel> = new Map();
  #version = 0;

  /** `byComponent` as `tidemark.log.levels` has it: `grpc=debug`, … Throws RangeError for anything else. */
  constructor(level: LogLevel, byComponent: readonly string[] = []) {
    this.#level = level;
    this.set(level, byComponent);
  }

  /** Raised by every change. */
  get version(): number {
    return this.#version;
  }

  /** Throws RangeError, and then nothing has changed. */
  set(level: LogLevel, byComponent: readonly string[]): void {
    const levels = new Map<string, LogLevel>();
    for (const pair of byComponent) {
      const [component = "", name = ""] = pair.split("=");
      if (component === "" || !isLogLevel(name)) {
        throw new RangeError(`"${pair}" is not component=level, with a level of ${Object.keys(logRanks).join(", ")}`);
      }
      levels.set(component, name);
    }
    this.#level = level;
    this.#byComponent = levels;
    this.#version += 1;
  }

  rankOf(component: string): number {
    return logRanks[this.#byComponent.get(component) ?? this.#level];
  }
}

function isLogLevel(name: string): name is LogLevel {
  return Object.hasOwn(logRanks, name);
}
