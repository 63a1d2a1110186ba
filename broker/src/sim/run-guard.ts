/**
 * What a run is kept from, and what it is told of, while simulated code runs (testing.md 2): the clock, the chance and the timers of the
 * real world, and rejections that nobody handles. A run depends on its seed alone, and what would make it depend on more is a failure
 * even where it does no harm.
 *
 * A life that crashes leaves promises behind that reject with SimulatedCrash and that nobody can listen to any more. Only these are let
 * pass; any other rejection without a handler is a defect of the code under test. While a run is on, it is the one listener of the
 * process: a test runner's own would report what is no failure.
 */
import process from "node:process";
import { SimulatedCrash } from "./simulated-crash.ts";
import { InvariantViolation } from "./violation.ts";

type Fail = (error: unknown) => void;

/** `setImmediate` is not among them: the world needs it to know that no promise reaction is left. */
const REAL_WORLD: readonly (readonly [owner: object, name: string, key: string])[] = [
  [Math, "Math.random", "random"],
  [performance, "performance.now", "now"],
  [crypto, "crypto.getRandomValues", "getRandomValues"],
  [crypto, "crypto.randomUUID", "randomUUID"],
  [globalThis, "setTimeout", "setTimeout"],
  [globalThis, "setInterval", "setInterval"],
];

/** Returns the function that ends the guard. */
export function guardRun(fail: Fail): () => void {
  const endRealWorld = guardRealWorld(fail);
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  const listener = (error: unknown): void => {
    if (!(error instanceof SimulatedCrash)) fail(error);
  };
  process.on("unhandledRejection", listener);
  return () => {
    endRealWorld();
    process.removeListener("unhandledRejection", listener);
    for (const other of others) process.on("unhandledRejection", other);
  };
}

/** The same, for a run that is over when it returns: it has no promises. */
export function guardRealWorld(fail: Fail): () => void {
  const refuse = (name: string): never => {
    const violation = new InvariantViolation(
      "determinism",
      `simulated code called ${name}, which is of the real world`,
    );
    // Whoever called may catch what is thrown.
    fail(violation);
    throw violation;
  };
  const ends = REAL_WORLD.map(([owner, name, key]) => {
    const real: unknown = Reflect.get(owner, key);
    return replace(owner, key, (...args: unknown[]): unknown =>
      isOfRealWorld() ? Reflect.apply(real as () => unknown, owner, args) : refuse(name),
    );
  });
  const RealDate = Date;
  class GuardedDate extends RealDate {
    constructor(...parts: unknown[]) {
      if (parts.length === 0 && !isOfRealWorld()) refuse("new Date()");
      super(...(parts as [number]));
    }

    static override now(): number {
      return isOfRealWorld() ? RealDate.now() : refuse("Date.now");
    }
  }
  ends.push(replace(globalThis, "Date", GuardedDate));
  return () => {
    for (const end of ends) end();
  };
}

/** Timers of Node's, and a connection's library. */
const REAL_CALLER = /\bat (?:listOnTimeout|process\.processTimers) |\/node_modules\/@grpc\//u;
/** Of Node itself, but not of what calls reactions and immediates: simulated code may hand a function to these. */
const NODE_CALLER = /\bnode:(?!internal\/(?:process\/task_queues|timers):)/u;
const OWN_FILE = /\/sim\/run-guard\.[jt]s:/u;
/** Of some file that is neither Node's nor this one. */
const FILE_CALLER = /:\d+:\d+\)?$/u;

/**
 * Whether a timer of the real world called, however far from here, a connection that somebody left open in this process, or Node by
 * itself, as it does at the end of an answer to a `fetch` of somebody before: all of them go on where a run lets the real loop turn.
 * Simulated code is called by none of them, since it gets none, and has a frame of its own in what it calls.
 */
function isOfRealWorld(): boolean {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = Number.POSITIVE_INFINITY;
  const stack = new Error("where from").stack ?? "";
  Error.stackTraceLimit = stackTraceLimit;
  if (REAL_CALLER.test(stack)) return true;
  const callers = stack.split("\n").filter((line) => !OWN_FILE.test(line));
  return callers.some((line) => NODE_CALLER.test(line)) && callers.every(isOfNode);
}

function isOfNode(frame: string): boolean {
  return frame.includes("node:") || !FILE_CALLER.test(frame);
}

/** Returns how to put back what was there. */
function replace(owner: object, key: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, key);
  Object.defineProperty(owner, key, { value, configurable: true, writable: true });
  return () => {
    if (before === undefined) Reflect.deleteProperty(owner, key);
    else Object.defineProperty(owner, key, before);
  };
}
