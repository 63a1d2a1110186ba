/**
 * @tidemark/broker/tools: what works on a broker's files and tables without a broker: dump, survey, verification, the
 * rehearsal of a start, the metadata of a stopped broker, and the table of metrics. Nothing of it is loaded by a broker that starts.
 */
export {
  type MetadataRecovery,
  openStoppedMetadata,
  type PeerPlace,
  type RecoveredMetadata,
  StoppedMetadata,
} from "./stopped-metadata.ts";
export { type MetricFamily, metricTable } from "./platform/metrics/table.ts";
export { type DiskChange, OverlayDisk } from "./platform/overlay-disk.ts";
export * from "./storage/tools.ts";
