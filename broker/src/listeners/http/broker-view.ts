/** What the HTTP door asks of the broker behind it. The composition root satisfies it. */
import type { MetricsScope } from "../../ports/index.ts";

export interface HealthCheck {
  readonly name: "log-directory" | "disk-space" | "damaged-partitions" | "metadata-store";
  /** What is wrong, in a word for programs and in a sentence; null where all is well. */
  readonly trouble: "log-directory-offline" | "disk-full" | "partitions-damaged" | "metadata-suspended" | null;
  readonly reason: string | null;
}

export interface BrokerView {
  /** Whether this process can still do its work; false asks whoever watches it to start another. */
  isLive(): boolean;
  /**
   * Whether clients should come. `waitingFor` names in one word each what is missing ("recovery", "listeners",
   * "draining"), the most telling first; it is empty when ready.
   */
  readiness(): { readonly ready: boolean; readonly waitingFor: readonly string[] };
  /** What else is looked at; what is wrong there keeps nobody away. */
  checks(): readonly HealthCheck[];
  /** The metrics as text, in UTF-8. `summary` is `/metrics`, `detail` is `/metrics/detail`. */
  renderMetrics(scope: MetricsScope): Promise<{ readonly contentType: string; readonly body: string | Buffer }>;
  /** Shown as it is, as JSON: version, node, cluster id and so on. */
  readonly version: Readonly<Record<string, string | number>>;
}
