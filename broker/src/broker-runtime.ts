/**
 * What stands between a broker's metadata and its doors: the manager of its replicas, and the context that every use case leans on, made of
 * the broker's parts. Nothing is opened here.
 */
import { UnknownErrors } from "./api/index.ts";
import type { BrokerContext } from "./api/index.ts";
import type { LiveConfig } from "./config/index.ts";
import type { DiskFault, Logger } from "./ports/index.ts";
import {
  type BrokerCounters,
  type Controller,
  FetchMemory,
  ProducerIds,
  Purgatory,
  ReplicaManager,
  type ReplicaManagerOptions,
  type RequestBudget,
  type RequestLog,
  SlabPool,
  Turn,
} from "./runtime/index.ts";
import { openLogDirectory } from "./storage/index.ts";
import type { BrokerCluster } from "./broker-cluster.ts";
import type { BrokerWorld } from "./broker-world.ts";

export interface RuntimeOptions
  extends ReplicaManagerOptions,
    Pick<BrokerContext, "version" | "onMetadata" | "grpcEndpointOf"> {
  readonly config: LiveConfig;
  readonly world: Pick<BrokerWorld, "clock" | "timers" | "disk" | "failpoint">;
  readonly logger: Logger;
  readonly controller: Controller;
  /** Null: this broker is alone. */
  readonly cluster: BrokerCluster | null;
  readonly counters: BrokerCounters;
  readonly requests: RequestLog;
  readonly budget: RequestBudget;
  /** The data directory is offline (3.8(1)). */
  readonly onOffline: (fault: DiskFault) => void;
}

export function createRuntime(options: RuntimeOptions): BrokerContext {
  const { config, path, medium, openFilesMax, world, logger, controller, cluster, counters, requests, budget } =
    options;
  const { version, onMetadata, grpcEndpointOf, onOffline } = options;
  const { clock, timers, disk, failpoint } = world;
  const commands = cluster?.commands ?? controller;
  const turn = new Turn(timers);
  const purgatory = new Purgatory({ clock, timers });
  const replicas = new ReplicaManager(
    { config, path, medium, ...(openFilesMax === undefined ? {} : { openFilesMax }) },
    {
      disk,
      failpoint,
      clock,
      timers,
      turn,
      purgatory,
      openLogDirectory,
      commands,
      logger: logger.child("replicas"),
      onOffline,
      ...(cluster === null ? {} : { createReplication: (host) => cluster.createReplication(host) }),
    },
  );
  return {
    config,
    version,
    clock,
    disk,
    logger,
    turn,
    purgatory,
    replicas,
    commands,
    controller,
    counters,
    requests,
    producerIds: new ProducerIds(async () => {
      const { firstId, count } = await commands.allocateProducerIds({ brokerId: config.base.nodeId });
      return { first: firstId, count };
    }),
    budget,
    slabs: new SlabPool(),
    fetchMemory: new FetchMemory({ timers, maxBytes: () => config.current.fetchMemoryBytes }),
    errors: new UnknownErrors(logger.child("api")),
    image: () => controller.image,
    onMetadata,
    timeline: () => controller.timeline,
    machine: async () => (await import("./broker-machine.ts")).machine(),
    quorum: () => controller.quorum,
    grpcEndpointOf,
  };
}
