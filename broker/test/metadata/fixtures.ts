/** A small cluster for tests of metadata: configuration, brokers, seeded chance. */
import { SeededRandom } from "../../src/base/index.ts";
import {
  type BrokerConfig,
  type ConfigLayers,
  layersOf,
  loadConfig,
  noDynamicConfigs,
  type Profile,
} from "../../src/config/index.ts";
import {
  applyEntry,
  type BrokerRegistration,
  type ClusterImage,
  type CreateTopicSpec,
  emptyImage,
  type MetadataRecord,
  registerBroker,
  type RegistrationContext,
} from "../../src/metadata/index.ts";

export function testConfig(flags: Record<string, string> = {}, profile: Profile = "dev"): BrokerConfig {
  const result = loadConfig({ profile, env: {}, flags, hostName: "broker-1" });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

/** A configuration that nothing was set above. */
export function inForce(config: BrokerConfig): { config: BrokerConfig; layers: ConfigLayers } {
  return { config, layers: layersOf(config, noDynamicConfigs) };
}

export function seededBytes(seed: number): (count: number) => Uint8Array {
  const random = new SeededRandom(seed);
  return (count) => random.bytes(new Uint8Array(count));
}

export function registration(brokerId: number, over: Partial<BrokerRegistration> = {}): BrokerRegistration {
  return {
    brokerId,
    incarnationId: `incarnation-${brokerId}`,
    directoryId: `directory-${brokerId}`,
    listeners: [{ name: "GRPC", host: "127.0.0.1", port: 9192 + brokerId }],
    rack: null,
    previousBrokerEpoch: -1,
    ...over,
  };
}

/** As on the only voter: registered and alive in one. */
export const AT_ONCE: RegistrationContext = { isAlive: false, isAppliedAtOnce: true };

export function next(image: ClusterImage, records: readonly MetadataRecord[]): ClusterImage {
  return applyEntry(image, image.metadataOffset + 1, records).image;
}

/** An image with `count` registered brokers, ids from 1. */
export function clusterOf(count: number, racks: readonly (string | null)[] = []): ClusterImage {
  let image = next(emptyImage, [{ type: "clusterCreated", clusterId: "test" }]);
  for (let brokerId = 1; brokerId <= count; brokerId++) {
    const rack = racks[brokerId - 1] ?? null;
    image = next(image, registerBroker(image, registration(brokerId, { rack }), AT_ONCE).records);
  }
  return image;
}

export function spec(name: string, over: Partial<CreateTopicSpec> = {}): CreateTopicSpec {
  return { name, partitions: -1, replicationFactor: -1, assignment: [], config: {}, ...over };
}
