/** PeerTransport on the simulated network: one node's side of it, with the dialling, handshakes and rests of the real one. */
import { commonPeerVersion, isErrorName, mayPeersMeet, PEER_VERSIONS, ProtoError } from "@tidemark/proto";
import { BackOff } from "../../base/index.ts";
import {
  type PeerAddress,
  PeerError,
  type PeerStream,
  type PeerStreamHandlers,
  type PeerTransport,
} from "../../ports/index.ts";
import { type ConnectionKind, SimConnection } from "./sim-connection.ts";
import type { SimNetwork, SimNode } from "./sim-network.ts";
import { SimStream } from "./sim-stream.ts";

const DIAL_TIMEOUT_MS = 2_000;
const PLAIN_DIAL_TIMEOUT_MS = 1_000;
const BACK_OFF = { firstMs: 50, maxMs: 1_000 };

type Dialled = (outcome: SimConnection | PeerError) => void;

/** The control connection to one peer. */
interface ControlLink {
  readonly to: PeerAddress;
  readonly backOff: BackOff;
  readonly watchers: Set<() => void>;
  /** For the connection that is being made. */
  waiting: Dialled[];
  /** Under way; what breaks it rejects them. */
  readonly calls: Set<(error: PeerError) => void>;
  connection: SimConnection | null;
  isDialling: boolean;
  /** Ends the rest before the next dial; null: there is none. */
  hurry: (() => void) | null;
  /** Why the last dial failed; null: it did not. */
  trouble: PeerError | null;
}

export class SimPeerTransport implements PeerTransport {
  readonly #network: SimNetwork;
  readonly #node: SimNode;
  readonly #control = new Map<number, ControlLink>();
  readonly #streams = new Set<SimStream>();
  /** Ends what waits: a rest, a dial, a look whether somebody listens. */
  readonly #waits = new Set<() => void>();
  #isClosed = false;

  constructor(network: SimNetwork, node: SimNode) {
    this.#network = network;
    this.#node = node;
  }

  sendRaft(to: PeerAddress, frame: Uint8Array): void {
    const dialled = this.#network.nodeAt(to);
    // Who refuses us never sees what we send.
    if (this.#isClosed || (dialled !== undefined && this.#refusalBy(dialled, to) !== null)) return;
    this.#network.sendRaft(this.#node, to, Buffer.from(frame));
  }

  call(to: PeerAddress, method: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#isClosed) return Promise.reject(closedError());
    const { process } = this.#node;
    const question = Buffer.from(body);
    return new Promise((resolve, reject) => {
      const link = this.#linkTo(to);
      const timer = process.after(timeoutMs, () =>
        fail(new PeerError("timeout", `node ${to.nodeId} did not answer ${method} within ${timeoutMs} ms`)),
      );
      let isOver = false;
      const settle = (then: () => void): void => {
        if (isOver) return;
        isOver = true;
        timer.cancel();
        link.calls.delete(fail);
        then();
      };
      const fail = (error: PeerError): void => settle(() => reject(error));
      link.calls.add(fail);
      this.#want(link, (outcome) => {
        if (outcome instanceof PeerError) return fail(outcome);
        if (!isOver)
          this.#ask(outcome, to, { method, body: question }, (answer) =>
            answer instanceof PeerError ? fail(answer) : settle(() => resolve(answer)),
          );
      });
    });
  }

  openReplication(to: PeerAddress, handlers: PeerStreamHandlers): PeerStream {
    const stream = new SimStream(this.#network, this.#node, handlers, {
      isDialled: false,
      onOver: () => this.#streams.delete(stream),
    });
    this.#streams.add(stream);
    if (this.#isClosed) {
      stream.fail(closedError());
      return stream;
    }
    let far: SimStream | null = null;
    const onBroken = [
      (error: PeerError) => stream.onBroken(error),
      (error: PeerError) => far?.onBroken(error),
    ] as const;
    this.#dial(to, "stream", onBroken, (outcome) => {
      if (outcome instanceof PeerError) return stream.fail(outcome);
      const dialled = this.#network.nodeAt(to);
      if (dialled === undefined) return outcome.breakOff(this.#node);
      stream.attach(outcome, (there) => {
        if (far !== null) return there(far);
        let farHandlers: PeerStreamHandlers | null = null;
        const end = new SimStream(
          this.#network,
          dialled,
          {
            onFrame: (frame, release) => farHandlers?.onFrame(frame, release),
            onDrain: () => farHandlers?.onDrain(),
            onClosed: (error) => farHandlers?.onClosed(error),
          },
          { isDialled: true, onOver: () => undefined },
        );
        far = end;
        end.attach(outcome, (back) => back(stream));
        farHandlers = dialled.service.onReplication(end, this.#node.identity());
        there(end);
      });
    });
    return stream;
  }

  watchControl(to: PeerAddress, onLost: () => void): () => void {
    if (this.#isClosed) return () => undefined;
    const link = this.#linkTo(to);
    const watcher = (): void => onLost();
    link.watchers.add(watcher);
    this.#want(link, () => undefined);
    return () => void link.watchers.delete(watcher);
  }

  isRefused(to: PeerAddress): Promise<boolean> {
    const isReachable = this.#isLinkOpen(to);
    return new Promise((resolve) => {
      const isGone = (): boolean => isReachable && this.#isLinkOpen(to) && this.#network.nodeAt(to) === undefined;
      this.#wait(isReachable ? this.#roundTripMs() : PLAIN_DIAL_TIMEOUT_MS, () => resolve(!this.#isClosed && isGone()));
    });
  }

  onPeerHeard(nodeId: number): void {
    this.#control.get(nodeId)?.hurry?.();
  }

  awayPeers(): { readonly to: PeerAddress; readonly error: PeerError }[] {
    return [...this.#control.values()].flatMap(({ to, trouble }) => (trouble === null ? [] : [{ to, error: trouble }]));
  }

  leave(): void {
    // Nothing is told here.
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const error = closedError();
    for (const link of this.#control.values()) {
      for (const fail of link.calls) fail(error);
      link.watchers.clear();
      link.connection?.breakOff(this.#node);
    }
    for (const stream of this.#streams) stream.fail(error);
    for (const end of this.#waits) end();
    await this.#node.process.sleep(0);
  }

  // ---- control ----

  #linkTo(to: PeerAddress): ControlLink {
    let link = this.#control.get(to.nodeId);
    if (link === undefined || link.to.host !== to.host || link.to.port !== to.port) {
      link?.connection?.breakOff(this.#node);
      link = {
        to,
        backOff: new BackOff(BACK_OFF),
        watchers: new Set(),
        waiting: [],
        calls: new Set(),
        connection: null,
        isDialling: false,
        hurry: null,
        trouble: null,
      };
      this.#control.set(to.nodeId, link);
    }
    return link;
  }

  #want(link: ControlLink, then: Dialled): void {
    if (link.connection !== null) return then(link.connection);
    link.waiting.push(then);
    if (!link.isDialling) this.#connect(link);
  }

  #connect(link: ControlLink): void {
    link.isDialling = true;
    const onLost = (error: PeerError): void => {
      link.connection = null;
      for (const fail of link.calls) fail(error);
      this.#afterLoss(link, 0);
    };
    this.#dial(link.to, "control", [onLost, () => undefined], (outcome) => {
      link.isDialling = false;
      const waiting = link.waiting.splice(0);
      if (!(outcome instanceof PeerError)) {
        link.connection = outcome;
        link.trouble = null;
        link.backOff.reset();
        for (const then of waiting) then(outcome);
        return;
      }
      link.trouble = outcome;
      for (const then of waiting) then(outcome);
      this.#afterLoss(link, link.backOff.onFailure(this.#network.chance()));
    });
  }

  #afterLoss(link: ControlLink, restMs: number): void {
    if (this.#isClosed) return;
    // Until the rest is over it counts as dialling: who comes meanwhile waits for the next attempt.
    link.isDialling = true;
    const goOn = (): void => {
      link.isDialling = false;
      link.hurry = null;
      if (this.#isClosed || this.#control.get(link.to.nodeId) !== link) return;
      if (link.waiting.length > 0 || link.watchers.size > 0) this.#connect(link);
    };
    link.hurry = this.#wait(restMs, goOn);
    for (const watcher of link.watchers) watcher();
  }

  #ask(
    connection: SimConnection,
    to: PeerAddress,
    { method, body }: { readonly method: string; readonly body: Buffer },
    onAnswer: (answer: Uint8Array | PeerError) => void,
  ): void {
    const dialled = this.#network.nodeAt(to);
    if (dialled === undefined) return;
    const from = this.#node.identity();
    connection.send(this.#node, () => {
      const answered = dialled.service.onCall(method, body, from).then(
        (answer): Uint8Array | PeerError => {
          dialled.onAnswer?.(method, answer);
          return Buffer.from(answer);
        },
        (thrown: unknown) => remoteError(thrown),
      );
      void answered.then((answer) => connection.send(dialled, () => onAnswer(answer)));
    });
  }

  /** Calls back then, or when it is closed; or when what is returned is called. */
  #wait(ms: number, then: () => void): () => void {
    const end = (): void => {
      timer.cancel();
      if (this.#waits.delete(end)) then();
    };
    const timer = this.#node.process.after(ms, end);
    this.#waits.add(end);
    return end;
  }

  // ---- dialling ----

  #dial(
    to: PeerAddress,
    kind: ConnectionKind,
    onClosed: readonly [(error: PeerError) => void, (error: PeerError) => void],
    then: Dialled,
  ): void {
    if (!this.#isLinkOpen(to)) {
      const late = new PeerError("unreachable", `node ${to.nodeId} does not answer within ${DIAL_TIMEOUT_MS} ms`);
      this.#wait(DIAL_TIMEOUT_MS, () => then(late));
      return;
    }
    this.#wait(this.#roundTripMs(), () => {
      if (this.#isClosed) return then(closedError());
      const dialled = this.#network.nodeAt(to);
      if (dialled === undefined) return then(new PeerError("unreachable", `node ${to.nodeId}: ECONNREFUSED`));
      const refusal = this.#refusalBy(dialled, to);
      if (refusal !== null) return then(refusal);
      const ours = this.#node.identity();
      dialled.onHeard?.(ours, ours.door ?? null);
      then(new SimConnection(this.#network, { dialler: this.#node, dialled, kind }, onClosed));
    });
  }

  #refusalBy(dialled: SimNode, to: PeerAddress): PeerError | null {
    const version = commonPeerVersion(this.#node.versions ?? PEER_VERSIONS, dialled.versions ?? PEER_VERSIONS);
    if (version === null)
      return new PeerError("refused", `node ${to.nodeId} speaks another version`, { code: "UNSUPPORTED_VERSION" });
    const [ours, theirs] = [this.#node.identity(), dialled.identity()];
    if (!mayPeersMeet(ours, theirs))
      return new PeerError(
        "refused",
        `node ${to.nodeId} belongs to cluster ${theirs.clusterId}, not to ${ours.clusterId}`,
        {
          code: "INCONSISTENT_CLUSTER_ID",
        },
      );
    if (theirs.nodeId !== to.nodeId)
      return new PeerError("refused", `node ${theirs.nodeId} stands at the address of node ${to.nodeId}`, {
        code: "INVALID_VOTER_KEY",
      });
    return null;
  }

  #isLinkOpen({ nodeId }: PeerAddress): boolean {
    const own = this.#node.address.nodeId;
    return this.#network.isOpen(own, nodeId) && this.#network.isOpen(nodeId, own);
  }

  #roundTripMs(): number {
    return this.#network.delayMs() + this.#network.delayMs();
  }
}

function closedError(): PeerError {
  return new PeerError("closed", "this broker's peer transport is closed");
}

function remoteError(thrown: unknown): PeerError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof ProtoError) return new PeerError("remote", message, { code: thrown.code });
  const code: unknown = thrown instanceof Error ? Reflect.get(thrown, "code") : null;
  return new PeerError("remote", message, {
    code: typeof code === "string" && isErrorName(code) ? code : "UNKNOWN_SERVER_ERROR",
  });
}
