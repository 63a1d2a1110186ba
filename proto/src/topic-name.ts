/** The rule for topic names (semantics 13(2)): what `<topic>-<partition>` can name on every file system. */
import { MAX_TOPIC_NAME } from "./limits.ts";

const ILLEGAL = /[^a-zA-Z0-9._-]/u;

/** Null for a legal topic name, else the reason why it is not one, as a sentence part ("is empty"). */
export function validateTopicName(name: string): string | null {
  if (name === "") return "is empty";
  if (name === "." || name === "..") return "names a directory";
  // The length first: the reason quotes a character, never a name of any length.
  if (name.length > MAX_TOPIC_NAME) return `is ${name.length} characters long; ${MAX_TOPIC_NAME} are allowed`;
  const illegal = ILLEGAL.exec(name);
  if (illegal !== null) return `holds ${JSON.stringify(illegal[0])}; allowed are a-z A-Z 0-9 . _ and -`;
  return null;
}

/**
 * Two topics whose names differ but have equal keys collide: Kafka's metric names turn `.` into `_`, so a cluster refuses
 * the second one.
 */
export function topicCollisionKey(name: string): string {
  return name.replaceAll(".", "_");
}
