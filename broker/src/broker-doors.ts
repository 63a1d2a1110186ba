/**
 * The doors of one broker, and where others find them: the addresses that it registers, and the one that a client is sent to (15.4).
 *
 * Ports are known when a door stands, so every address here is asked for anew and never kept. Who closes the doors, and when, is the
 * broker's order of stopping.
 */
import type { BrokerContext, ClientContext, ConnectionLimitsOptions, Endpoint } from "./api/index.ts";
import type { BrokerConfig, Listener, LiveConfig } from "./config/index.ts";
import type { BrokerView } from "./listeners/http/index.ts";
import type { ClusterImage } from "./metadata/index.ts";
import { BusyAddressError } from "./ports/index.ts";
import type { ClientEntrance, CountedDoor, Logger } from "./ports/index.ts";
import type { BrokerCluster } from "./broker-cluster.ts";
import type { BrokerWorld, HttpEntrance } from "./broker-world.ts";
import { endpointOfOther } from "./endpoints.ts";
import { BrokerStartError, codeOf } from "./start-error.ts";
import type { ToldAddress } from "./told-addresses.ts";

/** The door to other brokers, opened by whoever speaks with them. */
export type PeerDoorView = Pick<BrokerCluster, "address" | "advertised" | "door">;

export interface BrokerDoorsOptions {
  readonly config: BrokerConfig;
  readonly liveConfig: LiveConfig;
  readonly logger: Logger;
  readonly world: Pick<BrokerWorld, "clientDoor" | "openHttp">;
  /** How many connections each kind of door may have, of the process's descriptors. */
  readonly descriptors: { readonly grpc: number; readonly http: number };
}

export class BrokerDoors {
  readonly #config: BrokerConfig;
  readonly #liveConfig: LiveConfig;
  readonly #logger: Logger;
  readonly #world: BrokerDoorsOptions["world"];
  readonly #descriptors: BrokerDoorsOptions["descriptors"];
  #grpc: ClientEntrance | null = null;
  #http: HttpEntrance | null = null;
  #peers: PeerDoorView | null = null;

  constructor({ config, liveConfig, logger, world, descriptors }: BrokerDoorsOptions) {
    this.#config = config;
    this.#liveConfig = liveConfig;
    this.#logger = logger;
    this.#world = world;
    this.#descriptors = descriptors;
  }

  // ---- opening ----

  /** Binds the address; clients are served from the door's own `open` on. Rejects with BusyAddressError. */
  async listenGrpc(context: BrokerContext): Promise<ClientEntrance> {
    const listener = this.#listener("GRPC");
    if (listener === undefined) throw new BrokerStartError("INVALID_CONFIG", "listeners names no GRPC door", undefined);
    const { host, port } = listener;
    const limits = (): ConnectionLimitsOptions => this.#limits(this.#descriptors.grpc);
    const grpc = this.#world.clientDoor({ host, port, limits }, { ...context, logger: this.#logger.child("grpc") });
    await grpc.listen();
    this.#grpc = grpc;
    return grpc;
  }

  /** Null: the configuration names none. Rejects with BusyAddressError. */
  async openHttp(view: BrokerView): Promise<HttpEntrance | null> {
    const listener = this.#listener("HTTP");
    if (listener === undefined) return null;
    const { host, port } = listener;
    try {
      this.#http = await this.#world.openHttp(
        {
          host,
          port,
          idleMs: this.#config.connectionsMaxIdleMs,
          limits: () => this.#limits(this.#descriptors.http),
          debugMode: this.#config.debugEndpoints,
        },
        view,
        this.#logger.child("http"),
      );
      return this.#http;
    } catch (cause: unknown) {
      throw new BusyAddressError({ door: "HTTP", host, port, code: codeOf(cause) ?? "EUNKNOWN", cause });
    }
  }

  /** From here on the peer door is one of this broker's. */
  addPeers(peers: PeerDoorView): void {
    this.#peers = peers;
  }

  peerLimits(): ConnectionLimitsOptions {
    return this.#limits(this.#descriptors.http);
  }

  /** Those that stand, by listener. */
  counted(): (readonly [listener: string, door: CountedDoor])[] {
    return [
      ...(this.#grpc === null ? [] : [["GRPC", this.#grpc] as const]),
      ...(this.#http === null ? [] : [["HTTP", this.#http] as const]),
      ...(this.#peers === null ? [] : [["PEER", this.#peers.door] as const]),
    ];
  }

  /** Of a door that may have `share` of the process's descriptors. */
  #limits(share: number): ConnectionLimitsOptions {
    const { maxConnections, maxConnectionsPerIp, maxConnectionCreationRate } = this.#liveConfig.current;
    return { maxConnections: Math.min(maxConnections, share), maxConnectionsPerIp, maxConnectionCreationRate };
  }

  // ---- addresses: "host:port", the port as bound; empty before the door stands, and where there is none ----

  get grpcAddress(): string {
    return this.#grpc === null ? "" : formatAddress(this.#grpc.address);
  }

  get httpAddress(): string {
    const listener = this.#listener("HTTP");
    return this.#http === null || listener === undefined
      ? ""
      : formatAddress({ host: listener.host, port: this.#http.address.port });
  }

  get peerAddress(): string {
    return this.#peers === null ? "" : formatAddress(this.#peers.address);
  }

  /** What this broker registers of each listener. */
  registered(): Listener[] {
    return this.#config.listeners.map((listener) => this.#registered(listener));
  }

  /** Where others find the door: as advertised, or where it stands; a door on every address of the machine as peers find this broker. */
  #registered(listener: Listener): Listener {
    if (listener.name === "PEER") return this.#peers?.advertised ?? listener;
    const advertised = this.#advertised(listener.name);
    const bound = (listener.name === "GRPC" ? this.#grpc : this.#http)?.address.port ?? listener.port;
    const { host, port } = advertised ?? listener;
    const isAny = host === "0.0.0.0" || host === "::";
    const known = isAny ? (this.#peers?.advertised.host ?? host) : host;
    return { name: listener.name, host: known, port: port === 0 || advertised === undefined ? bound : port };
  }

  /** Of these all but those that name a door where it stands: whether they lead to one has to be tried. */
  told(): ToldAddress[] {
    return this.registered().flatMap((told) => {
      const isExplicit = this.#advertised(told.name) !== undefined;
      return told.host === this.#listener(told.name)?.host && !isExplicit ? [] : [{ ...told, isExplicit }];
    });
  }

  /** 15.4: what is advertised wins; else the host that the client called us by; the port is the registered one. */
  endpointOf(
    image: ClusterImage,
    brokerId: number,
    client: Pick<ClientContext, "dialledHost" | "isLocal">,
  ): Endpoint | null {
    const broker = image.brokers.get(brokerId);
    const registered = broker?.listeners.find(({ name }) => name === "GRPC");
    const advertised = this.#advertised("GRPC");
    if (brokerId !== this.#config.nodeId) {
      if (registered === undefined) return null;
      const own = this.registered().find(({ name }) => name === "GRPC");
      const isSameMachine = broker?.host === this.#config.host;
      const isExplicit = advertised !== undefined;
      return endpointOfOther({ registered, isSameMachine }, client, { host: own?.host, isExplicit });
    }
    if (advertised !== undefined)
      return { host: advertised.host, port: advertised.port === 0 ? this.#grpcPort : advertised.port };
    return { host: client.dialledHost ?? registered?.host ?? "", port: this.#grpcPort };
  }

  get #grpcPort(): number {
    return this.#grpc?.address.port ?? 0;
  }

  #listener(wanted: string): Listener | undefined {
    return this.#config.listeners.find(({ name }) => name === wanted);
  }

  #advertised(wanted: string): Listener | undefined {
    return this.#config.advertisedListeners?.find(({ name }) => name === wanted);
  }
}

function formatAddress({ host, port }: Endpoint): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
