/** What the HTTP door asks of the broker behind it. The composition root satisfies it. */
import type { MetricsScope } from "../../ports/index.ts";

export interface BrokerView {
  /** Whether this process can still do its work; false asks whoever watches it to start another. */
  isLive(): boolean;
  /**
   * Whether clients should come. `waitingFor` names in one word each what is missing ("recovery", "listeners",
   * "draining"), the most telling first; it is empty when ready.
   */
  readiness(): { readonly ready: boolean; readonly waitingFor: readonly string[] };
  /** What is wrong and keeps nobody away, in one word each: "disk-full", "metadata-suspended". Empty when all is well. */
  troubles(): readonly string[];
  /** The metrics as text. `summary` is `/metrics`, `detail` is `/metrics/detail`. */
  renderMetrics(scope: MetricsScope): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Shown as it is, as JSON: version, node, cluster id and so on. */
  readonly version: Readonly<Record<string, string | number>>;
}
