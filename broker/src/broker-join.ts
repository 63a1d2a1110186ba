/**
 * A broker's way into its cluster (10.4): it registers, follows the metadata from there on, leads and follows what it says, and counts as
 * in when others take it for alive. Alone it is in as soon as it is registered.
 *
 * Invariant: what a log directory was opened with and the first entry that is followed leave no gap: what lies between them is told as a
 * difference of the two images.
 */
import { UUID_BYTES, uuidToText } from "@tidemark/proto";
import type { BrokerConfig, Listener } from "./config/index.ts";
import { type ClusterImage, diffImages, METADATA_LEVEL, type MetadataDelta } from "./metadata/index.ts";
import type { Logger } from "./ports/index.ts";
import {
  BrokerLifecycle,
  type Controller,
  type ControllerCommands,
  NotController,
  type ReplicaManager,
} from "./runtime/index.ts";
import type { ClusterIdentity, OpenReport } from "./storage/index.ts";
import type { BrokerWorld } from "./broker-world.ts";

export interface BrokerJoinOptions {
  readonly config: BrokerConfig;
  /** As it is now. */
  readonly liveConfig: () => BrokerConfig;
  readonly world: Pick<BrokerWorld, "clock" | "timers" | "random">;
  readonly logger: Logger;
  readonly identity: ClusterIdentity;
  /** Where others find this broker. */
  readonly listeners: readonly Listener[];
  readonly controller: Controller;
  readonly commands: ControllerCommands;
  readonly replicas: ReplicaManager;
  readonly isInCluster: boolean;
  /** Somebody stops this broker. */
  readonly isStopping: () => boolean;
  /** Of what is followed: before the replicas hear of it. */
  readonly beforeApplied: (image: ClusterImage) => void;
  /** After replicas and registration have. */
  readonly afterApplied: (delta: MetadataDelta, image: ClusterImage) => void;
  /** Called with each registration. */
  readonly onRegistered: (brokerEpoch: number) => void;
  readonly onSuperseded: (message: string) => void;
}

/** What the log directory was opened with, and what was found there. */
export interface OpenedReplicas {
  readonly openedWith: ClusterImage;
  readonly report: OpenReport;
}

export class BrokerJoin {
  readonly #options: BrokerJoinOptions;
  /** Until the replicas are those of the metadata now. */
  #openedWith: ClusterImage | null;
  readonly #lifecycle: BrokerLifecycle;
  /** Each ends a wait for something that is applied here. */
  readonly #waits = new Set<() => void>();

  constructor(options: BrokerJoinOptions, opened: OpenedReplicas) {
    this.#options = options;
    this.#openedWith = opened.openedWith;
    const { config, liveConfig, world, logger, identity, listeners, controller, commands, replicas } = options;
    this.#lifecycle = new BrokerLifecycle({
      config: liveConfig,
      clock: world.clock,
      timers: world.timers,
      logger: logger.child("broker"),
      commands,
      registration: {
        clusterId: identity.clusterId ?? "",
        brokerId: config.nodeId,
        incarnationId: uuidToText(world.random(UUID_BYTES)),
        directoryId: identity.directoryId,
        listeners,
        rack: config.brokerRack,
        host: config.host,
        previousBrokerEpoch: opened.report.previousBrokerEpoch,
        damaged: opened.report.damaged,
        metadataLevel: METADATA_LEVEL,
      },
      image: () => controller.image,
      readyOffset: () => replicas.readyOffset,
      state: () => ({ isFull: replicas.isFull, isOffline: replicas.isOffline }),
      isAlone: () => !options.isInCluster || (controller.isActive && controller.image.brokers.size <= 1),
      onRegistered: options.onRegistered,
      onSuperseded: options.onSuperseded,
    });
  }

  /** Of the registration in force; -1 before. */
  get brokerEpoch(): number {
    return this.#lifecycle.brokerEpoch;
  }

  /** Rejects as `BrokerLifecycle.register` does; with NotController when it is given up. */
  async run(): Promise<void> {
    const { config, controller, replicas, isInCluster, beforeApplied, afterApplied } = this.#options;
    const lifecycle = this.#lifecycle;
    const brokerEpoch = await lifecycle.register();
    await this.#whenApplied(({ brokers }) => brokers.get(config.nodeId)?.brokerEpoch === brokerEpoch);
    const { image } = controller;
    beforeApplied(image);
    const { topicsDeleted } = diffImages(this.#openedWith ?? image, image);
    this.#openedWith = null;
    if (topicsDeleted.length > 0) replicas.onMetadata({ ...nothingBut(image), topicsDeleted }, image);
    const started = replicas.start(image);
    controller.onApplied((delta, applied) => {
      beforeApplied(applied);
      replicas.onMetadata(delta, applied);
      lifecycle.onApplied(delta, applied);
      afterApplied(delta, applied);
    });
    lifecycle.start();
    await started;
    if (isInCluster) await this.#whenApplied(() => !lifecycle.isFenced);
  }

  /** Ends a `run` that waits for others. */
  giveUp(): void {
    this.#lifecycle.close();
    for (const end of this.#waits) end();
    this.#waits.clear();
  }

  /** Hands over what is led here, in good order; false: there is no controller to take it. */
  shutDown(): Promise<boolean> {
    return this.#lifecycle.shutDown();
  }

  /** No more signs of life, at once. */
  close(): void {
    this.#lifecycle.close();
  }

  /** Resolves when it holds of what is applied here; rejects when the start is given up. */
  async #whenApplied(holds: (image: ClusterImage) => boolean): Promise<void> {
    const { controller, isStopping } = this.#options;
    if (holds(controller.image)) return;
    await new Promise<void>((resolve, reject) => {
      let isOver = false;
      const giveUp = (): void => {
        isOver = true;
        reject(new NotController("the broker stops before it has joined its cluster"));
      };
      if (isStopping()) return giveUp();
      this.#waits.add(giveUp);
      controller.onApplied((_, image) => {
        if (isOver || !holds(image)) return;
        isOver = true;
        this.#waits.delete(giveUp);
        resolve();
      });
    });
  }
}

/** A change of nothing, to be changed. */
function nothingBut({ metadataOffset }: ClusterImage): MetadataDelta {
  return {
    metadataOffset,
    topicsCreated: [],
    topicsDeleted: [],
    partitionsChanged: [],
    brokersChanged: [],
    topicConfigsChanged: [],
  };
}
