/** A disk whose syncs of log files begin and do not end until they are let go: what waits for a sync then waits. */
import type { Disk, DiskFault, File } from "../../../src/ports/index.ts";

export class HeldSyncs {
  readonly disk: Disk;
  #isHolding = false;
  #held: (() => void)[] = [];

  /** `isHeld`: of log files. */
  constructor(disk: Disk, isHeld: (path: string) => boolean = () => true) {
    this.disk = overriding(disk, {
      open: (path, mode) =>
        path.endsWith(".log") && isHeld(path) ? this.#wrap(disk.open(path, mode)) : disk.open(path, mode),
    });
  }

  hold(): void {
    this.#isHolding = true;
  }

  release(): void {
    this.#isHolding = false;
    for (const go of this.#held.splice(0)) go();
  }

  #wrap(file: File): File {
    return overriding(file, {
      datasync: (done: (fault: DiskFault | null) => void) => {
        if (this.#isHolding) this.#held.push(() => file.datasync(done));
        else file.datasync(done);
      },
    });
  }
}

/** `target` with some of its methods replaced; the others, and its private fields, stay its own. */
export function overriding<T extends object>(target: T, overrides: Partial<T>): T {
  return new Proxy(target, {
    get: (_, key) => {
      if (key in overrides) return Reflect.get(overrides, key);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
