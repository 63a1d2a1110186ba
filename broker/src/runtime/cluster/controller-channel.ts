/**
 * The commands of the controller, for whoever asks on whichever broker: there and then where this node leads Raft, by a call to the
 * leader elsewhere. The leader is looked for until the command's deadline: a call that did not reach it, or that it refused because it
 * leads no more, is made again to whom is known then. What may have been done already is asked again only where that does no harm;
 * else the caller is told, who knows what he wants. So is a client, soon, where too few voters answer for a leader to come: it
 * has time of its own to ask again, and someone who would like to know the reason.
 *
 * An answer about topics, settings and elections is given when this broker has applied the offset that it was decided on (15.3(1)):
 * whoever asks here next sees the outcome.
 */
import { ProtoError, UUID_BYTES, uuidToText } from "@tidemark/proto";
import type { Clock, PeerAddress, RandomBytes, Timers } from "../../ports/index.ts";
import { PeerError, type PeerTransport } from "../../ports/index.ts";
import type { CreateTopicSpec } from "../../metadata/index.ts";
import { CONTROLLER_COMMANDS, type ControllerCommands, type Decided, NotController } from "../controller-commands.ts";
import { askPeer, mayHaveBeenDone, type PeerCalls } from "./peer-calls.ts";
import { QuorumLook, type QuorumSeen } from "./quorum-look.ts";

export interface ControllerChannelOptions {
  readonly nodeId: number;
  /** The controller of this node, whether it leads or not. */
  readonly local: ControllerCommands;
  readonly transport: PeerTransport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: RandomBytes;
  /** Who leads Raft as far as this node knows; -1: nobody is known. */
  leaderId(): number;
  /** Null: unknown. */
  addressOf(nodeId: number): PeerAddress | null;
  /** Who votes on the metadata, this node among them if it does. */
  voterIds(): readonly number[];
  /** Of the image that this broker goes by. */
  appliedOffset(): number;
}

type Command = (typeof CONTROLLER_COMMANDS)[number];

interface Traits {
  readonly deadlineMs: number;
  /** Asked twice it does what it does once; or the second answer tells that the first was done. */
  readonly isRepeatable: boolean;
  /** Its answer waits until it is applied here. */
  readonly isAwaited: boolean;
  /** A client waits for it. */
  readonly isClients: boolean;
}

/** Of the cluster's own affairs: whoever asks has a rhythm of his own, and fresher numbers the next time. */
const OWN: Traits = { deadlineMs: 2_000, isRepeatable: true, isAwaited: false, isClients: false };
const ADMIN: Traits = { deadlineMs: 30_000, isRepeatable: true, isAwaited: true, isClients: true };

const TRAITS: Readonly<Record<Command, Traits>> = {
  registerBroker: { ...OWN, deadlineMs: 5_000 },
  heartbeat: OWN,
  // Its sender counts attempts: a refusal of one does not undo another that may still be committed (7(7)).
  alterPartitions: { ...OWN, isRepeatable: false },
  reportDamage: OWN,
  // A block that nobody uses is no loss.
  allocateProducerIds: { ...ADMIN, isAwaited: false },
  // By its creation ids.
  createTopics: ADMIN,
  createPartitions: { ...ADMIN, isRepeatable: false },
  deleteTopics: { ...ADMIN, isRepeatable: false },
  alterConfigs: ADMIN,
  electLeaders: ADMIN,
  // Begun twice is begun once; a cancel that was done is answered by 85 the second time, which says as much.
  alterReassignments: ADMIN,
  drainBrokers: ADMIN,
  unregisterBroker: { ...ADMIN, isRepeatable: false },
  // Waits by itself for as long as its request says.
  awaitTopic: { ...ADMIN, deadlineMs: 16 * 60_000 },
  transferLeadership: { ...ADMIN, isAwaited: false },
  // Waits by itself, too.
  changeVoter: { ...ADMIN, deadlineMs: 16 * 60_000 },
};

/** A client's command has found no controller for so long: whether there can be one is looked at. */
const LOOK_AFTER_MS = 500;
/** Between looks for a leader, where nothing says that there is one. */
const REST_MS = 50;
/** Followed at once, one after the other; two that name each other are asked no faster than anybody else. */
const HINTS_IN_ROW_MAX = 2;
const METHOD_PREFIX = "controller/";

interface ImageWaiter {
  readonly offset: number;
  readonly wake: () => void;
}

export class ControllerChannel implements ControllerCommands {
  readonly #options: ControllerChannelOptions;
  readonly #quorum: QuorumLook;
  readonly #createTopics = this.#command("createTopics");
  /** Named by a refusal, in case this node's Raft knows less; -1: none was. */
  #hintedId = -1;
  #leaderWaiters: (() => void)[] = [];
  #imageWaiters: ImageWaiter[] = [];
  #isClosed = false;

  readonly registerBroker = this.#command("registerBroker");
  readonly heartbeat = this.#command("heartbeat");
  readonly alterPartitions = this.#command("alterPartitions");
  readonly reportDamage = this.#command("reportDamage");
  readonly allocateProducerIds = this.#command("allocateProducerIds");
  readonly createTopics: ControllerCommands["createTopics"] = (request) =>
    this.#createTopics({ ...request, specs: request.specs.map((spec) => this.#identified(spec)) });
  readonly createPartitions = this.#command("createPartitions");
  readonly deleteTopics = this.#command("deleteTopics");
  readonly alterConfigs = this.#command("alterConfigs");
  readonly electLeaders = this.#command("electLeaders");
  readonly alterReassignments = this.#command("alterReassignments");
  readonly drainBrokers = this.#command("drainBrokers");
  readonly unregisterBroker = this.#command("unregisterBroker");
  readonly awaitTopic = this.#command("awaitTopic");
  readonly transferLeadership = this.#command("transferLeadership");
  readonly changeVoter = this.#command("changeVoter");

  constructor(options: ControllerChannelOptions) {
    this.#options = options;
    this.#quorum = new QuorumLook(options);
  }

  /** This node's Raft has another leader, or none: who waits looks again. */
  onLeader(): void {
    this.#hintedId = -1;
    for (const wake of this.#leaderWaiters.splice(0)) wake();
  }

  /** This broker's image moved. */
  onApplied(offset: number): void {
    if (this.#imageWaiters.length === 0) return;
    const due = this.#imageWaiters.filter((waiter) => waiter.offset <= offset);
    this.#imageWaiters = this.#imageWaiters.filter((waiter) => waiter.offset > offset);
    for (const { wake } of due) wake();
  }

  /** Whoever waits is told NOT_CONTROLLER. */
  close(): void {
    this.#isClosed = true;
    this.onLeader();
    for (const { wake } of this.#imageWaiters.splice(0)) wake();
  }

  #command<Name extends Command>(name: Name): ControllerCommands[Name] {
    const run = (request: unknown): Promise<unknown> => this.#run(name, request);
    return run as ControllerCommands[Name];
  }

  /** So that it can be asked twice for one topic. */
  #identified(spec: CreateTopicSpec): CreateTopicSpec {
    const isIdentified = (spec.creationId ?? "") !== "";
    return isIdentified ? spec : { ...spec, creationId: uuidToText(this.#options.random(UUID_BYTES)) };
  }

  async #run(name: Command, request: unknown): Promise<unknown> {
    const { clock } = this.#options;
    const { deadlineMs, isAwaited } = TRAITS[name];
    const endsAt = clock.monotonicNow() + deadlineMs;
    const answer = await this.#decided(name, request, endsAt);
    if (isAwaited) await this.#applied(answer.metadataOffset, endsAt);
    return answer;
  }

  /** Asks until somebody decides. */
  async #decided(name: Command, request: unknown, endsAt: number): Promise<Decided> {
    const { clock } = this.#options;
    const startedAt = clock.monotonicNow();
    let mayBeDone = false;
    for (let hintsInRow = 0; ; ) {
      if (this.#isClosed) throw new NotController("this broker stops");
      let lastError: NotController;
      const leaderId = this.#leaderId();
      try {
        // One after the other: each goes by what the one before has learned.
        // oxlint-disable-next-line no-await-in-loop
        return await this.#ask(leaderId, name, request, endsAt - clock.monotonicNow());
      } catch (thrown: unknown) {
        lastError = this.#mayTryAgain(thrown, name, leaderId);
      }
      const leftMs = endsAt - clock.monotonicNow();
      mayBeDone ||= lastError.mayBeDone;
      const quorum = TRAITS[name].isClients ? this.#quorumSeen(startedAt) : null;
      if (leftMs <= 0 || quorum?.isLost === true) {
        const end = quorum === null ? lastError : new NotController(quorum.text, -1, { cause: lastError });
        throw mayBeDone && TRAITS[name].isClients ? uncertain(end) : end;
      }
      // A hint is followed at once; else something must have changed.
      const isHinted = this.#hintedId >= 0 && this.#hintedId !== leaderId;
      if (isHinted && hintsInRow++ < HINTS_IN_ROW_MAX) continue;
      hintsInRow = 0;
      // oxlint-disable-next-line no-await-in-loop
      await this.#leaderChange(Math.min(REST_MS, leftMs));
    }
  }

  /** Of the voters, once a command has looked in vain for a while; null: nothing is to be said yet. */
  #quorumSeen(startedAt: number): QuorumSeen | null {
    const isDue = this.#options.clock.monotonicNow() - startedAt >= LOOK_AFTER_MS;
    return isDue ? this.#quorum.look(startedAt) : null;
  }

  #leaderId(): number {
    return this.#hintedId >= 0 ? this.#hintedId : this.#options.leaderId();
  }

  async #ask(leaderId: number, name: Command, request: unknown, timeoutMs: number): Promise<Decided> {
    const { nodeId, local, transport } = this.#options;
    if (leaderId === nodeId) return commandOf(local, name)(request);
    const to = leaderId < 0 ? null : this.#options.addressOf(leaderId);
    if (to === null)
      throw new NotController(leaderId < 0 ? "no controller is known" : `node ${leaderId} has no address`);
    return (await askPeer(transport, to, { method: METHOD_PREFIX + name, request, timeoutMs })) as Decided;
  }

  /** Answers the error to end with if time is up; throws what is to be told at once. */
  #mayTryAgain(thrown: unknown, name: Command, askedId: number): NotController {
    if (thrown instanceof NotController) {
      // Who was asked knows better, unless it names itself or nobody.
      this.#hintedId = thrown.leaderId !== askedId ? thrown.leaderId : -1;
      if (thrown.mayBeDone && !TRAITS[name].isRepeatable) throw uncertain(thrown);
      return thrown;
    }
    if (!(thrown instanceof PeerError)) throw thrown;
    this.#hintedId = -1;
    const told = new NotController(`the controller, node ${askedId}, did not answer: ${thrown.message}`, -1, {
      cause: thrown,
      mayBeDone: mayHaveBeenDone(thrown),
    });
    if (thrown.kind === "remote" && thrown.code !== null)
      throw new ProtoError(thrown.code, thrown.message, { cause: thrown });
    if (told.mayBeDone && !TRAITS[name].isRepeatable) throw uncertain(told);
    return told;
  }

  /** Resolves when this node's Raft has another leader, and after `delayMs` in any case. */
  #leaderChange(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.timers.after(delayMs, () => wake());
      const wake = (): void => {
        timer.cancel();
        this.#leaderWaiters = this.#leaderWaiters.filter((waiter) => waiter !== wake);
        resolve();
      };
      this.#leaderWaiters.push(wake);
    });
  }

  /** Rejects with REQUEST_TIMED_OUT: it is decided, and not seen here yet. */
  async #applied(offset: number, endsAt: number): Promise<void> {
    const { clock, timers } = this.#options;
    if (this.#options.appliedOffset() >= offset) return;
    await new Promise<void>((resolve) => {
      const timer = timers.after(Math.max(0, endsAt - clock.monotonicNow()), () => waiter.wake());
      const waiter: ImageWaiter = {
        offset,
        wake: () => {
          timer.cancel();
          this.#imageWaiters = this.#imageWaiters.filter((other) => other !== waiter);
          resolve();
        },
      };
      this.#imageWaiters.push(waiter);
    });
    if (this.#options.appliedOffset() < offset)
      throw new ProtoError("REQUEST_TIMED_OUT", "it is done, and this broker has not seen it yet");
  }
}

function uncertain(cause: NotController): ProtoError {
  return new ProtoError("NETWORK_EXCEPTION", `${cause.message}; whether it was done will show`, { cause });
}

/** Lets peers command the controller of this node. */
export function serveController(calls: PeerCalls, controller: ControllerCommands): void {
  for (const name of CONTROLLER_COMMANDS)
    calls.handle(METHOD_PREFIX + name, (request) => commandOf(controller, name)(request));
}

/** The request was made for this command: on this node by its type, on another one by what stands in the envelope. */
function commandOf(commands: ControllerCommands, name: Command): (request: unknown) => Promise<Decided> {
  return (request) => (commands[name] as (request: unknown) => Promise<Decided>)(request);
}
