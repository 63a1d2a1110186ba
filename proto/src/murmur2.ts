/**
 * Murmur2 as Kafka's Java clients compute it (seed 0x9747b28c), and the partition they derive from it: records of one
 * key must land in one partition whichever client sends them. murmur2("21") = -973932308.
 */
const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;
const SHIFT = 24;

/** Hash of a key's bytes: a signed int32. */
export function murmur2(bytes: Uint8Array): number {
  const byte = (index: number): number => bytes[index] as number;
  const length = bytes.length;
  const wordsEnd = length & ~3;
  let hash = SEED ^ length;
  for (let at = 0; at < wordsEnd; at += 4) {
    let word = byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24);
    word = Math.imul(word, MULTIPLIER);
    word ^= word >>> SHIFT;
    word = Math.imul(word, MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ word;
  }
  const rest = length - wordsEnd;
  if (rest >= 3) hash ^= byte(wordsEnd + 2) << 16;
  if (rest >= 2) hash ^= byte(wordsEnd + 1) << 8;
  if (rest >= 1) hash = Math.imul(hash ^ byte(wordsEnd), MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}

/** The partition, of `partitionsCount`, of a record with this key. */
export function partitionForKey(key: Uint8Array, partitionsCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionsCount;
}
