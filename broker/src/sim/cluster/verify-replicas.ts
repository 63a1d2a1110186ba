/** What an operator does about bytes that may be bad: every broker reads all that it holds, and says what is; what is bad is mended. */
import { loadAdmin } from "../../api/index.ts";
import type { ClientLinks } from "./client-links.ts";
import type { ClusterTopic } from "./run-options.ts";

const TIMEOUT_MS = 10_000;

/** `onBad` is told of each replica that is. Who cannot answer is passed over. */
export function verifyReplicas(
  links: ClientLinks,
  topics: readonly ClusterTopic[],
  onBad: (replica: string) => void,
): void {
  for (const brokerId of links.brokerIds)
    for (const { name, partitions } of topics)
      for (let partition = 0; partition < partitions; partition++)
        verifyReplica(links, { brokerId, topic: name, partition }).then(
          (badOffset) => {
            if (badOffset >= 0) onBad(`${name}-${partition} of broker ${brokerId} at ${badOffset}`);
          },
          () => undefined,
        );
}

/** The offset of what is bad; -1: nothing is, or it has no such replica. Rejects with LinkError. */
export function verifyReplica(
  links: ClientLinks,
  { brokerId, topic, partition }: { readonly brokerId: number; readonly topic: string; readonly partition: number },
): Promise<number> {
  return links.call(brokerId, TIMEOUT_MS, async ({ door: { context } }) => {
    const { handleDigestReplica } = await loadAdmin();
    return (await handleDigestReplica(context, { topic, partition, fromOffset: 0 })).badOffset;
  });
}
