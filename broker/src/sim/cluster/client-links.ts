/**
 * A client's connections to the brokers, one to each, on the simulated network: made when something is wanted of a broker, broken by
 * resets, cuts and crashes, made again after a rest. What is sent runs at the other end, in order.
 *
 * A request is code that runs at the broker and may send its answer back: the place of a wire that the real doors have.
 */
import { BackOff } from "../../base/index.ts";
import type { PeerAddress, PeerService } from "../../ports/index.ts";
import type { SeededRandom } from "../../base/index.ts";
import { SimConnection } from "../network/sim-connection.ts";
import type { SimNetwork, SimNode } from "../network/index.ts";
import type { SimProcess } from "../sim-world.ts";
import type { SimDoor } from "./sim-door.ts";

const DIAL_TIMEOUT_MS = 2_000;
const BACK_OFF = { firstMs: 20, maxMs: 1_000 };

/** What a request cannot do: reach the broker, or be answered in time. */
export class LinkError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "LinkError";
  }
}

/** One connection as the broker sees it. */
export interface ServedClient {
  readonly door: SimDoor;
  readonly process: SimProcess;
  readonly isOver: boolean;
  /** `act` runs at the client, unless the connection breaks before. */
  reply(act: () => void): void;
  /** Called once, when it breaks; not if the broker dies. */
  onClosed(listener: () => void): void;
}

/** The brokers as their clients find them. */
export interface Brokers {
  readonly addresses: readonly PeerAddress[];
  /** What no refusal is: the run fails. */
  onFailure(error: unknown): void;
  /** Of the living process at that address. */
  doorOf(nodeId: number): { readonly door: SimDoor; readonly process: SimProcess } | null;
}

export class ClientLinks {
  readonly process: SimProcess;
  readonly #node: SimNode;
  readonly #network: SimNetwork;
  readonly #brokers: Brokers;
  readonly #random: SeededRandom;
  readonly #links = new Map<number, ClientLink>();

  constructor(
    parts: {
      readonly network: SimNetwork;
      readonly brokers: Brokers;
      readonly process: SimProcess;
      readonly random: SeededRandom;
    },
    /** Unlike those of brokers. */
    nodeId: number,
  ) {
    this.process = parts.process;
    this.#network = parts.network;
    this.#brokers = parts.brokers;
    this.#random = parts.random;
    this.#node = {
      process: parts.process,
      address: { nodeId, host: "client", port: nodeId },
      service: NOBODY,
      identity: () => ({ clusterId: "", nodeId, directoryId: "" }),
    };
  }

  get brokerIds(): readonly number[] {
    return this.#brokers.addresses.map(({ nodeId }) => nodeId);
  }

  to(nodeId: number): ClientLink {
    let link = this.#links.get(nodeId);
    if (link === undefined) {
      const address = this.#brokers.addresses.find((each) => each.nodeId === nodeId);
      if (address === undefined) throw new Error(`there is no broker ${nodeId}`);
      link = new ClientLink({
        network: this.#network,
        node: this.#node,
        address,
        brokers: this.#brokers,
        random: this.#random,
      });
      this.#links.set(nodeId, link);
    }
    return link;
  }

  /** One question and its answer. Rejects with LinkError, and with what `ask` rejects with. */
  call<T>(nodeId: number, timeoutMs: number, ask: (client: ServedClient) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = this.process.after(timeoutMs, () => fail(new LinkError(`broker ${nodeId} does not answer`)));
      let isOver = false;
      const settle = (then: () => void): void => {
        if (isOver) return;
        isOver = true;
        timer.cancel();
        forget();
        then();
      };
      const fail = (cause: unknown): void => settle(() => reject(cause as Error));
      const link = this.to(nodeId);
      const forget = link.onDown(() => fail(new LinkError(`the connection to broker ${nodeId} broke`)));
      link.want((isUp) => {
        if (!isUp) return fail(new LinkError(`broker ${nodeId} cannot be reached`));
        if (isOver) return;
        link.send((client) => {
          ask(client).then(
            (answer) => client.reply(() => settle(() => resolve(answer))),
            (cause: unknown) => {
              if (isProgrammingError(cause)) this.#brokers.onFailure(cause);
              client.reply(() => fail(cause));
            },
          );
        });
      });
    });
  }
}

interface ClientLinkParts {
  readonly network: SimNetwork;
  readonly node: SimNode;
  readonly address: PeerAddress;
  readonly brokers: Brokers;
  readonly random: SeededRandom;
}

export class ClientLink {
  readonly #parts: ClientLinkParts;
  readonly #backOff = new BackOff(BACK_OFF);
  readonly #listeners = new Set<() => void>();
  #connection: SimConnection | null = null;
  #client: BrokerSide | null = null;
  #wanted: ((isUp: boolean) => void)[] = [];
  #isDialling = false;

  constructor(parts: ClientLinkParts) {
    this.#parts = parts;
  }

  /** Of the broker that it leads to. */
  get nodeId(): number {
    return this.#parts.address.nodeId;
  }

  get isUp(): boolean {
    return this.#connection !== null;
  }

  /** Called each time that the connection breaks; returns how to end that. */
  onDown(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls back when there is a connection, or when the next try has failed. */
  want(then: (isUp: boolean) => void): void {
    if (this.#connection !== null) return then(true);
    this.#wanted.push(then);
    if (!this.#isDialling) this.#dial();
  }

  /** `act` runs at the broker; never, if the connection breaks before. */
  send(act: (client: ServedClient) => void): void {
    const client = this.#client;
    if (client === null) return;
    this.#connection?.send(this.#parts.node, () => {
      // What arrives at a door that was closed meanwhile is not taken in.
      if (client.door.isOpen) act(client);
    });
  }

  #dial(): void {
    this.#isDialling = true;
    const { network, node, address } = this.#parts;
    const { process } = node;
    if (!this.#isOpen()) return void process.after(DIAL_TIMEOUT_MS, () => this.#onDialled(false));
    process.after(network.delayMs() + network.delayMs(), () => {
      const dialled = network.nodeAt(address);
      const found = this.#parts.brokers.doorOf(address.nodeId);
      if (dialled === undefined || found === null || !found.door.isOpen || dialled.process !== found.process)
        return this.#onDialled(false);
      const connection: SimConnection = new SimConnection(network, { dialler: node, dialled, kind: "client" }, [
        () => this.#onBroken(connection),
        () => client.close(),
      ]);
      const client = new BrokerSide(connection, dialled, found.door);
      this.#connection = connection;
      this.#client = client;
      this.#onDialled(true);
    });
  }

  #onDialled(isUp: boolean): void {
    const wanted = this.#wanted.splice(0);
    if (isUp) {
      this.#isDialling = false;
      this.#backOff.reset();
    } else {
      this.#parts.node.process.after(this.#backOff.onFailure(this.#parts.random.float()), () => {
        this.#isDialling = false;
        if (this.#wanted.length > 0) this.#dial();
      });
    }
    for (const then of wanted) then(isUp);
  }

  #onBroken(connection: SimConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#client = null;
    for (const listener of this.#listeners) listener();
  }

  #isOpen(): boolean {
    const { network, node, address } = this.#parts;
    const [own, other] = [node.address.nodeId, address.nodeId];
    return network.isOpen(own, other) && network.isOpen(other, own);
  }
}

/** What an assertion of the product throws, and what nobody meant to throw. */
export function isProgrammingError(cause: unknown): boolean {
  if (!(cause instanceof Error)) return true;
  return cause.name === "AssertionError" || cause instanceof TypeError || cause instanceof RangeError;
}

class BrokerSide implements ServedClient {
  readonly door: SimDoor;
  readonly process: SimProcess;
  readonly #connection: SimConnection;
  readonly #node: SimNode;
  readonly #leave: () => void;
  #listeners: (() => void)[] = [];
  #isOver = false;

  constructor(connection: SimConnection, node: SimNode, door: SimDoor) {
    this.#connection = connection;
    this.#node = node;
    this.door = door;
    this.process = node.process;
    this.#leave = door.enter(() => {
      this.close();
      connection.breakOff(node);
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  reply(act: () => void): void {
    if (!this.#isOver) this.#connection.send(this.#node, act);
  }

  onClosed(listener: () => void): void {
    if (this.#isOver) listener();
    else this.#listeners.push(listener);
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#leave();
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

/** Of who is no broker among others: nobody dials him. */
export const NOBODY: PeerService = {
  onRaft: () => undefined,
  onCall: () => Promise.reject(new Error("nobody answers here")),
  onReplication: () => {
    throw new Error("nobody replicates here");
  },
};
