/**
 * Delta debugging (Zeller and Hildebrandt 2002): of a list that makes a run fail, what is needed for it. Halves are left out, then
 * smaller and smaller parts, at last single items, as long as what is left fails in the same way.
 */

/** `fails` answers whether a run with these items fails in the way that is looked for. `isSpent`: no further run is made. */
export async function shrinkList<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
  { isSpent }: { readonly isSpent: () => boolean },
): Promise<readonly T[]> {
  if (items.length === 0 || isSpent()) return items;
  if (await fails([])) return [];
  let kept = items;
  for (let size = Math.ceil(kept.length / 2); ; ) {
    const before = kept.length;
    // From the end: what came last is needed least often.
    for (let end = kept.length; end > 0; end -= size) {
      if (isSpent()) return kept;
      const without = [...kept.slice(0, Math.max(0, end - size)), ...kept.slice(end)];
      // All of them is what was asked first.
      if (without.length > 0 && (await fails(without))) kept = without;
    }
    if (size === 1 && kept.length === before) return kept;
    size = Math.max(1, Math.ceil(Math.min(size, kept.length) / 2));
  }
}
