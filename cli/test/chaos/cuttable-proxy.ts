/**
 * A TCP proxy before one port of this machine, whose two directions can be cut apart from one another. Like a network, and unlike a
 * process that forwards:
 *
 * - In a cut direction nothing is read, so that bytes, ends and resets wait in order until it heals; the kernel's buffers bound them.
 * - A dial needs both directions: during a cut it is left hanging, and made when all is healed.
 * - Where nobody listens behind, nobody listens before: the port is closed until the target is there again. A connection
 *   whose target end breaks is let go of only when that is known, so that whoever dials again is refused as by the target itself.
 */
import net, { type AddressInfo, type Server, type Socket } from "node:net";

/** Of bytes: from who dials to the target, or from the target. */
export type Direction = "there" | "back";

const HOST = "127.0.0.1";
/** Between two looks at a target that is away. */
const LOOK_MS = 20;

export class CuttableProxy implements AsyncDisposable {
  readonly #target: number;
  readonly #cuts = new Set<Direction>();
  readonly #conversations = new Set<Conversation>();
  readonly #looks = new Set<Socket>();
  #port = 0;
  /** Null while it does not listen. */
  #server: Server | null = null;
  #isAway = false;
  #isClosed = false;
  #again: NodeJS.Timeout | null = null;

  private constructor(target: number) {
    this.#target = target;
  }

  static async open(targetPort: number): Promise<CuttableProxy> {
    const proxy = new CuttableProxy(targetPort);
    const server = proxy.#listen();
    await new Promise<void>((resolve, reject) => server.once("listening", resolve).once("error", reject));
    proxy.#port = (server.address() as AddressInfo).port;
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Sockets that it holds; the listening one is not among them. */
  get socketsCount(): number {
    return [...this.#conversations].reduce((sum, conversation) => sum + conversation.socketsCount, this.#looks.size);
  }

  cut(direction: Direction): void {
    this.#cuts.add(direction);
    this.#tend();
    for (const conversation of this.#conversations) conversation.follow(this.#cuts);
  }

  heal(): void {
    if (this.#cuts.size === 0) return;
    this.#cuts.clear();
    this.#tend();
    for (const conversation of this.#conversations) conversation.follow(this.#cuts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#again ?? undefined);
    for (const socket of this.#looks) socket.destroy();
    for (const conversation of this.#conversations) conversation.destroy();
    const server = this.#server;
    this.#server = null;
    if (server !== null) await new Promise((resolve) => server.close(resolve));
  }

  #listen(): Server {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => this.#accept(near));
    this.#server = server;
    // Closed again before it stood.
    server.once("listening", () => this.#server !== server && server.close());
    server.on("error", () => {
      if (this.#server === server) this.#server = null;
      // Another process has the port for a moment.
      if (this.#port !== 0) this.#lookSoon();
    });
    return server.listen(this.#port, HOST);
  }

  #accept(near: Socket): void {
    if (this.#isClosed) {
      near.destroy();
      return;
    }
    const conversation: Conversation = new Conversation(near, {
      dial: () => net.connect({ host: HOST, port: this.#target, allowHalfOpen: true }),
      look: () => this.#look(),
      onOver: () => this.#conversations.delete(conversation),
    });
    this.#conversations.add(conversation);
    conversation.follow(this.#cuts);
  }

  /** Resolves when it is known whether the target listens, and the port is open or closed accordingly. */
  #look(): Promise<void> {
    return new Promise((resolve) => {
      const socket = net.connect({ host: HOST, port: this.#target });
      this.#looks.add(socket);
      socket.once("connect", () => {
        this.#isAway = false;
        socket.destroy();
      });
      socket.on("error", (error: NodeJS.ErrnoException) => {
        this.#isAway = error.code === "ECONNREFUSED";
      });
      socket.once("close", () => {
        this.#looks.delete(socket);
        this.#tend();
        resolve();
      });
    });
  }

  #lookSoon(): void {
    if (this.#isClosed) return;
    this.#again ??= setTimeout(() => {
      this.#again = null;
      void this.#look();
    }, LOOK_MS);
  }

  /** During a cut nobody is told that the target is away. */
  #tend(): void {
    if (this.#isClosed) return;
    const isOpen = !this.#isAway || this.#cuts.size > 0;
    if (isOpen && this.#server === null) this.#listen();
    if (!isOpen) {
      this.#server?.close();
      this.#server = null;
    }
    if (this.#isAway) this.#lookSoon();
  }
}

interface ConversationDeps {
  dial(): Socket;
  look(): Promise<void>;
  onOver(): void;
}

/** One connection that was accepted, and the one to the target that answers it. */
class Conversation {
  readonly #deps: ConversationDeps;
  readonly #near: Socket;
  /** Null: not dialled yet. */
  #far: Socket | null = null;
  #cuts: ReadonlySet<Direction> = new Set();

  constructor(near: Socket, deps: ConversationDeps) {
    this.#near = near;
    this.#deps = deps;
    this.#watch(near);
  }

  get socketsCount(): number {
    return [this.#near, this.#far].filter((socket) => socket?.destroyed === false).length;
  }

  /** What is cut from now on, and what flows. */
  follow(cuts: ReadonlySet<Direction>): void {
    this.#cuts = cuts;
    if (this.#far === null) {
      if (cuts.size > 0 || this.#near.destroyed) return;
      this.#far = this.#deps.dial();
      this.#watch(this.#far);
    }
    join(this.#near, this.#far, cuts.has("there"));
    join(this.#far, this.#near, cuts.has("back"));
    for (const socket of [this.#near, this.#far]) if (socket.destroyed) this.#tell(socket);
  }

  destroy(): void {
    this.#near.destroy();
    this.#far?.destroy();
  }

  #watch(socket: Socket): void {
    socket.setNoDelay();
    // What went wrong is told by the reset of the other one.
    socket.on("error", () => undefined);
    socket.once("close", () => this.#tell(socket));
  }

  /** `gone` is closed: so is the other, as soon as it may hear of it. */
  #tell(gone: Socket): void {
    const isNear = gone === this.#near;
    const other = isNear ? this.#far : this.#near;
    if (other === null || other.destroyed) {
      this.#deps.onOver();
      return;
    }
    // Both ends went through, and each side closes by itself.
    if (gone.readableEnded && gone.writableFinished) return;
    if (this.#cuts.has(isNear ? "there" : "back")) return;
    if (isNear) other.resetAndDestroy();
    else void this.#deps.look().then(() => other.resetAndDestroy());
  }
}

function join(from: Socket, to: Socket, isCut: boolean): void {
  from.unpipe(to);
  if (isCut) from.pause();
  else if (!to.destroyed) from.pipe(to);
}
