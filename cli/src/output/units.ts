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
  return unit === "B" ? `${Math.round(bytes)} B` : `${size.toFixed(1)} ${unit}`;
}

export function formatMs(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** `42 s`, `3 m 20 s`, `5 h 12 m`, `12 d 3 h`. */
export function formatSeconds(seconds: number): string {
  const units = [
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
    ["s", 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  let left = Math.floor(seconds);
  const parts: string[] = [];
  for (const [name, size] of units.slice(first, first + 2)) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${name}`);
  }
  return parts.join(" ");
}

/** `1 record`, `2,000 records`, `3 batches`, `4 entries`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${count === 1 ? noun : pluralOf(noun)}`;
}

function pluralOf(noun: string): string {
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  return /(?:s|x|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
}
