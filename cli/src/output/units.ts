/** Numbers as people read them: `1,234,567`, `12.3 MiB`, `412 ms`, `3.2 s`. */
const BYTE_UNITS = ["KiB", "MiB", "GiB", "TiB"] as const;

export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function formatBytes(bytes: number): string {
  let size = bytes;
  let unit = "B";
  for (const larger of BYTE_UNITS) {
    if (size < 1024) break;
    size /= 1024;
    unit = larger;
  }
  return unit === "B" ? `${bytes} B` : `${size.toFixed(1)} ${unit}`;
}

export function formatMs(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** `1 record`, `2,000 records`, `3 batches`, `4 entries`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${count === 1 ? noun : pluralOf(noun)}`;
}

function pluralOf(noun: string): string {
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  return /(?:s|x|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
}
