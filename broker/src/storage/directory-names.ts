/**
 * Names in the data directory and in a replica's directory (2.1, 2.2): made and taken apart here only.
 */

/** Of what is kept aside for an operator (2.1(3)). */
export const DAMAGED_SUFFIX = ".damaged";

/** Longest name of a directory; file systems end at 255 bytes. */
const NAME_MAX = 255;

export type DirectoryName =
  | { readonly kind: "replica"; readonly topic: string; readonly partition: number }
  | { readonly kind: "deleted" }
  /** Not ours any more, or not yet: left alone. */
  | { readonly kind: "aside" }
  | { readonly kind: "foreign" };

/** Directories of 2.2 that are no replica's. */
const OWN_DIRECTORIES = new Set(["tidemark-lock", "tidemark-metadata", "lost+found"]);

export function parseDirectoryName(name: string): DirectoryName {
  if (name.startsWith(".") || OWN_DIRECTORIES.has(name)) return { kind: "aside" };
  if (/\.[0-9a-f]{32}-delete$/u.test(name)) return { kind: "deleted" };
  if (/\.[0-9a-f]{32}-(?:stray|future)$/u.test(name)) return { kind: "aside" };
  const match = /^([a-zA-Z0-9._-]{1,249})-(\d{1,10})$/u.exec(name);
  const topic = match?.[1];
  const partition = Number(match?.[2]);
  // A number with leading zeros would name a second directory of the same replica.
  if (topic === undefined || partition > 2 ** 31 - 1 || String(partition) !== match?.[2]) return { kind: "foreign" };
  return { kind: "replica", topic, partition };
}

/** What becomes of a replica's directory that goes: removed, or kept for an operator. */
export type AsideSuffix = "delete" | "stray";

/** `<topic>-<partition>.<32 hex>-<suffix>`, the topic cut so that the whole fits. */
export function asideName(topic: string, partition: number, uniqueHex: string, suffix: AsideSuffix): string {
  const tail = `-${partition}.${uniqueHex}-${suffix}`;
  return topic.slice(0, NAME_MAX - tail.length) + tail;
}

/** Whether `name` may be of a replica of this name that was deleted. */
export function isAsideOf(name: string, { topic, partition }: { topic: string; partition: number }): boolean {
  const uniqueHex = /\.([0-9a-f]{32})-delete$/u.exec(name)?.[1];
  return uniqueHex !== undefined && name === asideName(topic, partition, uniqueHex, "delete");
}

/** The base offset in 20 digits. */
export function offsetName(offset: number): string {
  return String(offset).padStart(20, "0");
}

/** `00000000000000000042.log` gives 42 for ".log"; null when the name is another. */
export function offsetOfName(name: string, suffix: string): number | null {
  if (name.length !== 20 + suffix.length || !name.endsWith(suffix)) return null;
  const digits = name.slice(0, 20);
  if (!/^\d{20}$/u.test(digits)) return null;
  const offset = Number(digits);
  return Number.isSafeInteger(offset) ? offset : null;
}
