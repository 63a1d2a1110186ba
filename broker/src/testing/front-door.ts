/**
 * Where clients find one door of a broker, however often it dies and comes back: a port of its own that stands as long as the cluster,
 * and behind it the door of the broker's present life. What lies between is a cable: it breaks with the broker, and each of its two
 * directions can be shut, which nobody is told of.
 */
import net from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { ClientEntrance } from "../ports/index.ts";
import { TestClusterError } from "./errors.ts";
import type { RealWork } from "./real-work.ts";

const HOST = "127.0.0.1";

/** Which ways are shut: from clients to the broker, from the broker to clients. */
export interface Shut {
  readonly in: boolean;
  readonly out: boolean;
}

interface Line {
  readonly client: Socket;
  /** Null: the client was not put through yet. */
  broker: Socket | null;
  /** It broke while no word of it could reach the client. */
  isBroken: boolean;
}

export class FrontDoor {
  readonly #server: Server;
  readonly #onInput: () => void;
  readonly #lines = new Set<Line>();
  /** Of the door behind; null: nobody is there. */
  #target: number | null = null;
  #shut: Shut = { in: false, out: false };

  private constructor(server: Server, onInput: () => void) {
    this.#server = server;
    this.#onInput = onInput;
    server.on("connection", (client: Socket) => this.#accept(client));
  }

  /** Port 0: any free one. `onInput` is called before anything reaches the broker. Rejects with TestClusterError PORT_IN_USE. */
  static open(port: number, onInput: () => void): Promise<FrontDoor> {
    const server = net.createServer({ noDelay: true });
    return new Promise((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        const why = cause.code === "EADDRINUSE" ? "somebody listens there already" : (cause.code ?? cause.message);
        reject(new TestClusterError("PORT_IN_USE", `port ${port} cannot be had: ${why}`, { cause }));
      });
      server.listen({ host: HOST, port }, () => resolve(new FrontDoor(server, onInput)));
    });
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: HOST, port: (this.#server.address() as AddressInfo).port };
  }

  connectTo(port: number): void {
    this.#target = port;
  }

  /** Nobody is behind the door any more: what is connected breaks, whoever comes is sent away. */
  disconnect(): void {
    this.#target = null;
    for (const line of this.#lines) {
      if (line.broker === null) continue;
      line.isBroken = true;
      line.broker.destroy();
      this.#lead(line);
    }
  }

  /** What was sent in a shut direction waits, as on a cable that was pulled, and nobody new gets through. */
  shut(shut: Shut): void {
    this.#shut = shut;
    for (const line of this.#lines) this.#lead(line);
  }

  async close(): Promise<void> {
    this.#shut = { in: false, out: false };
    this.disconnect();
    for (const { client } of this.#lines) client.resetAndDestroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(client: Socket): void {
    const line: Line = { client, broker: null, isBroken: false };
    client.on("error", () => undefined);
    client.once("close", () => {
      this.#lines.delete(line);
      line.broker?.destroySoon();
    });
    this.#lines.add(line);
    this.#lead(line);
  }

  /** To where it may go by now. */
  #lead(line: Line): void {
    const { client } = line;
    const isWhole = !this.#shut.in && !this.#shut.out;
    if (line.isBroken) {
      if (!this.#shut.out) client.resetAndDestroy();
    } else if (line.broker === null) {
      // A handshake takes both ways.
      if (isWhole) this.#connect(line);
    } else {
      join(client, line.broker, !this.#shut.in);
      join(line.broker, client, !this.#shut.out);
    }
  }

  #connect(line: Line): void {
    const { client } = line;
    if (this.#target === null) return void client.resetAndDestroy();
    const broker = net.connect({ host: HOST, port: this.#target, noDelay: true });
    line.broker = broker;
    broker.on("error", () => undefined);
    broker.once("close", () => this.#onBrokerClosed(line));
    client.on("data", this.#onInput);
    this.#lead(line);
  }

  /** In good order: what it had said before still arrives. */
  #onBrokerClosed(line: Line): void {
    if (line.isBroken) return;
    if (this.#shut.out) line.isBroken = true;
    else line.client.destroySoon();
  }
}

/** What comes from `source` goes on to `target`, or waits. */
function join(source: Socket, target: Socket, isOpen: boolean): void {
  source.unpipe(target);
  if (isOpen) source.pipe(target);
  else source.pause();
}

/** One that may open for clients when it stands. */
type AnyDoor = Omit<ClientEntrance, "open"> & Partial<ClientEntrance>;

interface DoorLife {
  readonly work: RealWork;
  /** It is not over. */
  readonly isWanted: () => boolean;
}

/** The door of one life as its broker sees it: it stands where clients find it. */
export class FrontedDoor implements ClientEntrance {
  readonly #front: FrontDoor;
  readonly #door: AnyDoor;
  readonly #life: DoorLife;

  constructor(front: FrontDoor, door: AnyDoor, life: DoorLife) {
    this.#front = front;
    this.#door = door;
    this.#life = life;
  }

  get address(): ClientEntrance["address"] {
    return this.#front.address;
  }

  get connectionsCount(): number {
    return this.#door.connectionsCount;
  }

  get delayedConnectionsCount(): number {
    return this.#door.delayedConnectionsCount;
  }

  get refusals(): ClientEntrance["refusals"] {
    return this.#door.refusals;
  }

  get unfinishedBytes(): number {
    return this.#door.unfinishedBytes;
  }

  async listen(): Promise<void> {
    const { work, isWanted } = this.#life;
    await work.during(this.#door.listen());
    if (isWanted()) this.#front.connectTo(this.#door.address.port);
  }

  open(): void {
    this.#door.open?.();
  }

  close(drainMs?: number): Promise<void> {
    return this.#door.close(drainMs);
  }
}
