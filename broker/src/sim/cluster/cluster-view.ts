/** What one client knows of the cluster: who leads what. Asked for again when something is stale, of any broker, and now and then. */
import { uuidFromText } from "@tidemark/proto";
import { handleGetMetadata } from "../../api/index.ts";
import type { SeededRandom } from "../../base/index.ts";
import type { ClientLinks } from "./client-links.ts";

interface KnownTopic {
  readonly id: Uint8Array;
  /** By partition; -1 = none. */
  readonly leaders: readonly number[];
}

const ASK_TIMEOUT_MS = 2_000;
const ASK_AGAIN_MS = 100;
const LOOK_MS = 2_000;
const CLIENT = { clientId: "simulated", dialledHost: null, isLocal: true };
const NO_ID = new Uint8Array(0);

export class ClusterView {
  readonly #links: ClientLinks;
  readonly #random: SeededRandom;
  readonly #names: readonly string[];
  readonly #topics = new Map<string, KnownTopic>();
  readonly #listeners: (() => void)[] = [];
  #metadataOffset = -1;
  #isAsking = false;

  constructor(links: ClientLinks, random: SeededRandom, names: readonly string[]) {
    this.#links = links;
    this.#random = random;
    this.#names = names;
    this.#lookLater();
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** -1: nobody is known to. */
  leaderOf(topic: string, partition: number): number {
    return this.#topics.get(topic)?.leaders[partition] ?? -1;
  }

  topicId(topic: string): Uint8Array {
    return this.#topics.get(topic)?.id ?? NO_ID;
  }

  refresh(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const request = { topics: this.#names, allTopics: false, allowAutoTopicCreation: false };
    this.#links
      .call(this.#random.pick(this.#links.brokerIds), ASK_TIMEOUT_MS, ({ door }) =>
        handleGetMetadata(door.context, request, CLIENT),
      )
      .then(
        (metadata) => {
          if (metadata.metadataOffset >= this.#metadataOffset) {
            this.#metadataOffset = metadata.metadataOffset;
            for (const { name, topic } of metadata.topics) {
              if (topic === null) continue;
              const leaders = topic.partitions.map(({ leaderId }) => leaderId);
              this.#topics.set(name, { id: uuidFromText(topic.topicId), leaders });
            }
          }
          this.#rest(() => undefined);
          this.#tell();
        },
        () => this.#rest(() => this.#tell()),
      );
  }

  /** Who finds everything stale asks once in a while. */
  #rest(then: () => void): void {
    this.#links.process.after(ASK_AGAIN_MS, () => {
      this.#isAsking = false;
      then();
    });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #lookLater(): void {
    this.#links.process.after(LOOK_MS * (0.5 + this.#random.float()), () => {
      this.refresh();
      this.#lookLater();
    });
  }
}
