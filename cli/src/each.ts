/** One thing after the other: what can be done is done, and if some failed the exit code says so. */
import { CliFailure, toFailure } from "./failure.ts";

/** So many are named in the message; `-o json` has them all. */
const REASONS_MAX = 5;

/**
 * `print` shows what was done, if anything was. One name alone, or all of them, fail with their own code; a part with 8.
 * @param noun what they are, in the plural: "topics"
 * @throws CliFailure
 */
export async function forEachName(
  names: readonly string[],
  noun: string,
  act: (name: string) => Promise<void>,
  print: () => void = () => undefined,
): Promise<void> {
  const failures: { readonly name: string; readonly failure: CliFailure }[] = [];
  for (const name of names) {
    try {
      await act(name);
    } catch (error: unknown) {
      failures.push({ name, failure: toFailure(error) });
    }
  }
  if (failures.length < names.length) print();
  const [first] = failures;
  if (first === undefined) return;
  if (failures.length === names.length) throw first.failure;
  const reasons = failures.slice(0, REASONS_MAX).map(({ name, failure }) => `${name}: ${failure.message}`);
  if (failures.length > REASONS_MAX) reasons.push(`and ${failures.length - REASONS_MAX} more`);
  throw new CliFailure(
    "PARTIAL",
    `${names.length - failures.length} of ${names.length} ${noun} done; ${reasons.join("; ")}`,
    {
      details: {
        failed: failures.map(({ name, failure }) => ({ name, code: failure.code, message: failure.message })),
      },
    },
  );
}
