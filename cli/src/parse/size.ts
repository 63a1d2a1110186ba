/** Sizes as people type them: `65536`, `64KiB`, `1MB`. The result is in bytes. */
const SIZES: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["B", 1],
  ["kB", 1e3],
  ["KB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
]);

/** Null when the text is no size, or does not come out as a whole number. */
export function parseBytes(text: string): number | null {
  const [, digits = "", unit = ""] = /^(\d+)([A-Za-z]*)$/.exec(text) ?? [];
  const size = digits === "" ? Number.NaN : Number(digits) * (SIZES.get(unit) ?? Number.NaN);
  return Number.isSafeInteger(size) ? size : null;
}
