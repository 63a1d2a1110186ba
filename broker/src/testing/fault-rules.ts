/**
 * Errors on order: rules that a test has laid down for requests of clients, and what becomes of a request that meets one. A rule strikes
 * a number of times and is gone; rules are tried in the order in which they were laid down.
 */
import { ADMIN_METHODS, DATA_SERVICE, type ErrorName, errorRow, isErrorName, unknownName } from "@tidemark/proto";
import { ApiError } from "../api/index.ts";
import type { FaultRefusal, PartitionName, RequestFaults } from "../api/index.ts";
import type { Timers } from "../ports/index.ts";
import { AppendTask } from "../runtime/index.ts";
import type { Partition } from "../runtime/index.ts";
import { invalid, shown } from "./options.ts";

/** Which requests a fault meets. */
export interface FaultTarget {
  /**
   * A method of the gRPC services: "Produce", "Fetch", "ListOffsets", "GetMetadata", "InitProducerId", "CreateTopics" and so on. The first
   * three strike single partitions: a batch that is written, a reader that asks for what comes from an offset on, an offset that is
   * looked for.
   */
  readonly api: string;
  /** Of this topic only. For Produce, Fetch and ListOffsets. */
  readonly topic?: string;
  /** Of this partition only, with `topic`. */
  readonly partition?: number;
  /** At this broker only. */
  readonly broker?: number;
  /** How often it strikes: once, where nothing is said. Infinity: until it is removed. */
  readonly times?: number;
}

/**
 * What goes wrong:
 * - `error`: it is refused with this error, a name of docs/errors.md. Nothing is done.
 * - `delayMs`: it is done that much later.
 * - `lose: "request"`: it is not done, and not answered: the client runs into its time-out.
 * - `lose: "answer"`: it is done, and not answered: the client runs into its time-out and cannot know. What it tries again is a duplicate.
 */
export type FaultEffect =
  | { readonly error: ErrorName; readonly message?: string }
  | { readonly delayMs: number }
  | { readonly lose: "request" | "answer" };

export type RequestFault = FaultTarget & FaultEffect;

/** A fault that was laid down. */
export interface InjectedFault {
  /** How often it has struck. */
  readonly struck: number;
  /** It strikes no more. */
  remove(): void;
}

interface Rule extends InjectedFault {
  readonly fault: RequestFault;
  struck: number;
}

const BY_PARTITION = new Set(["Produce", "Fetch", "ListOffsets"]);

export class FaultRules {
  #rules: Rule[] = [];

  /** Throws TestClusterError INVALID_OPTION. */
  add(fault: RequestFault): InjectedFault {
    validate(fault);
    const rule: Rule = {
      fault,
      struck: 0,
      remove: () => {
        this.#rules = this.#rules.filter((other) => other !== rule);
      },
    };
    this.#rules.push(rule);
    return {
      get struck() {
        return rule.struck;
      },
      remove: () => rule.remove(),
    };
  }

  removeAll(): void {
    this.#rules = [];
  }

  /** What one life of a broker asks. */
  of(broker: number, timers: Timers): RequestFaults {
    return new LifeFaults((api, at) => this.#strike(api, broker, at), timers);
  }

  #strike(api: string, broker: number, at: PartitionName | null): RequestFault | null {
    for (const rule of this.#rules) {
      const { fault } = rule;
      if (fault.api !== api || (fault.broker ?? broker) !== broker) continue;
      if (fault.topic !== undefined && fault.topic !== at?.topic) continue;
      if (fault.partition !== undefined && fault.partition !== at?.partition) continue;
      rule.struck += 1;
      if (rule.struck >= (fault.times ?? 1)) rule.remove();
      return fault;
    }
    return null;
  }
}

class LifeFaults implements RequestFaults {
  readonly #strike: (api: string, at: PartitionName | null) => RequestFault | null;
  readonly #timers: Timers;

  constructor(strike: (api: string, at: PartitionName | null) => RequestFault | null, timers: Timers) {
    this.#strike = strike;
    this.#timers = timers;
  }

  divertAppend(at: PartitionName, task: AppendTask, partition: Pick<Partition, "append">): boolean {
    const fault = this.#strike("Produce", at);
    if (fault === null) return false;
    if ("delayMs" in fault) {
      this.#timers.after(fault.delayMs, () => partition.append(task));
    } else if ("error" in fault) {
      const { code, message } = refusalBy(fault);
      this.#timers.endOfTurn(() => refuse(task, code, message));
    } else if (fault.lose === "request") {
      this.#timers.endOfTurn(() => task.owner.onAppendTaken(task));
    } else {
      partition.append(unanswered(task));
    }
    return true;
  }

  divertFetch(at: PartitionName, subscribe: () => void): FaultRefusal | "later" | null {
    const fault = this.#strike("Fetch", at);
    if (fault === null) return null;
    if ("error" in fault) return refusalBy(fault);
    if ("delayMs" in fault) this.#timers.after(fault.delayMs, subscribe);
    return "later";
  }

  async beforeListing(at: PartitionName): Promise<FaultRefusal | null> {
    const fault = this.#strike("ListOffsets", at);
    if (fault === null) return null;
    if ("error" in fault) return refusalBy(fault);
    if ("delayMs" in fault) await this.#delay(fault.delayMs);
    else await never();
    return null;
  }

  async call(method: string, handle: () => Promise<Buffer>): Promise<Buffer> {
    const fault = BY_PARTITION.has(method) ? null : this.#strike(method, null);
    if (fault === null) return handle();
    if ("error" in fault) {
      const { code, message } = refusalBy(fault);
      throw new ApiError(code, message);
    }
    if ("delayMs" in fault) {
      await this.#delay(fault.delayMs);
      return handle();
    }
    if (fault.lose === "answer") await handle();
    return never();
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#timers.after(ms, resolve);
    });
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}

function refusalBy(fault: Extract<FaultEffect, { readonly error: ErrorName }>): FaultRefusal {
  return { code: fault.error, message: fault.message ?? `injected by a test: ${errorRow(fault.error).text}` };
}

function refuse(task: AppendTask, code: ErrorName, message: string): void {
  task.code = code;
  task.message = message;
  task.isUnwritten = true;
  task.owner.onAppendTaken(task);
  task.owner.onAppendDone(task);
}

/** The same batch, of which nobody hears when it is there. */
function unanswered({ owner, slot, acks, deadline, bytes, memory, header }: AppendTask): AppendTask {
  return new AppendTask({
    owner: { onAppendTaken: (task) => owner.onAppendTaken(task), onAppendDone: () => undefined },
    slot,
    acks,
    deadline,
    bytes,
    header,
    ...(memory === null ? {} : { memory }),
  });
}

const METHODS = new Set(
  [...Object.values(DATA_SERVICE).map(({ path }) => path), ...Object.values(ADMIN_METHODS)].map((path) =>
    path.slice(path.lastIndexOf("/") + 1),
  ),
);
/** They are streams, and what goes wrong with them is what goes wrong with a connection. */
const STREAMS = new Set(["WatchMetadata", "WatchEvents"]);
const NAMES = ["api", "topic", "partition", "broker", "times", "error", "message", "delayMs", "lose"];

function validate(fault: RequestFault): void {
  const wrong = (why: string): Error => invalid(`inject: ${why}`);
  if (typeof fault !== "object" || fault === null) throw wrong(`a fault is an object, not ${shown(fault)}`);
  const { api, topic, partition, times } = fault;
  // One that is misspelt would narrow nothing, and strike requests that it was not meant for.
  const unknown = unknownName(fault, NAMES);
  if (unknown !== null) throw wrong(`there is no ${unknown.name}; ${unknown.hint}`);
  if (!METHODS.has(api) || STREAMS.has(api)) {
    const known = [...METHODS].filter((method) => !STREAMS.has(method)).join(", ");
    throw wrong(`there is no api ${shown(api)}; there are ${known}`);
  }
  const effects = ["error", "delayMs", "lose"].filter((effect) => Reflect.get(fault, effect) !== undefined);
  if (effects.length !== 1) throw wrong(`exactly one of error, delayMs and lose is given, not ${effects.length}`);
  if ("error" in fault && (!isErrorName(fault.error) || fault.error === "NONE"))
    throw wrong(`there is no error ${shown(fault.error)}; docs/errors.md lists them`);
  if ("delayMs" in fault && !(fault.delayMs >= 0))
    throw wrong(`delayMs is a number from 0 on, not ${shown(fault.delayMs)}`);
  if ("lose" in fault && fault.lose !== "request" && fault.lose !== "answer")
    throw wrong(`lose is "request" or "answer", not ${shown(fault.lose)}`);
  if (topic !== undefined && !BY_PARTITION.has(api)) throw wrong(`${api} is not a request of one topic`);
  if (topic !== undefined && typeof topic !== "string") throw wrong(`topic is a name, not ${shown(topic)}`);
  if (partition !== undefined && topic === undefined) throw wrong("a partition is one of a topic");
  if (times !== undefined && !(times >= 1)) throw wrong(`times is a number from 1 on, not ${shown(times)}`);
}
