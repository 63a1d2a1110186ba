/**
 * `npm run sim -- --mutations [--profile P] [--only ID] [--json] [--workers W]`: every known mistake, a row each: whether it was caught, after how
 * many seeds, by which invariant. Exit code 1 when one survived.
 */
import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { nearest } from "@tidemark/proto";
import { MUTATIONS } from "./index.ts";
import type { Mutation } from "./mutation.ts";
import { isCaught, searchMutation } from "./search.ts";

interface Row {
  readonly mutation: string;
  readonly profile: string;
  readonly caught: boolean;
  /** Runs until it was caught, or all of them. */
  readonly seeds: number;
  /** As many were allowed. */
  readonly seedsMax: number;
  /** The first of them. */
  readonly from: number;
  readonly invariant: string | null;
}

const USAGE = `usage: npm run sim -- --mutations [options]

  --profile P     those of one profile: ${[...new Set(MUTATIONS.map(({ profile }) => profile))].join(", ")}
  --only ID       this one
  --workers W     processes
  --json          a JSON object per line: mutation, profile, caught, seeds, seedsMax, from, invariant

Exit code 1 when one survived its number of seeds.`;

/** First of the arguments of a process that works. Not a thread: runs that share the native zstd of a process fail each other. */
const WORKER = "--worker";

if (process.argv[2] === WORKER)
  process.on("message", (slot: number) => void rowOf(MUTATIONS[slot] as Mutation).then((row) => process.send?.(row)));
else process.exitCode = await main();

function plainRowOf({
  id,
  profile,
  from = 1,
  seedsMax,
}: Mutation): Pick<Row, "mutation" | "profile" | "seedsMax" | "from"> {
  return { mutation: id, profile, seedsMax, from };
}

async function rowOf(mutation: Mutation): Promise<Row> {
  const row = plainRowOf(mutation);
  try {
    const found = await searchMutation(mutation, { isKnownFirst: false });
    return { ...row, caught: isCaught(found), seeds: found.seeds, invariant: found.failure?.invariant ?? null };
  } catch (error: unknown) {
    // Its line is not there any more.
    process.stderr.write(`${mutation.id}: ${error instanceof Error ? error.message : String(error)}\n`);
    return { ...row, caught: false, seeds: 0, invariant: null };
  }
}

async function main(): Promise<number> {
  const values = read();
  if (values === null) return 2;
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const { profile, only, json } = values;
  const slots = MUTATIONS.flatMap((each, slot) =>
    (profile === undefined || profile === each.profile) && (only === undefined || only === each.id) ? [slot] : [],
  );
  const workers = Number(values.workers ?? Math.min(2, availableParallelism()));
  if (slots.length === 0 || !(Number.isInteger(workers) && workers > 0)) {
    const near = nearest(
      only ?? profile ?? "",
      MUTATIONS.map((each) => (only === undefined ? each.profile : each.id)),
    );
    const unknown = `there is no such mutation${near === null ? "" : `; did you mean ${near}?`}`;
    process.stderr.write(`error: ${slots.length === 0 ? unknown : "--workers wants a whole number"}\n${USAGE}\n`);
    return 2;
  }
  const wide = Math.max(...slots.map((slot) => MUTATIONS[slot]?.id.length ?? 0));
  if (!json)
    process.stdout.write(`${"mutation".padEnd(wide)}  profile      caught  ${"seeds".padStart(14)}  invariant\n`);
  const rows = await rowsOf(slots, workers, (row) => {
    if (json) process.stdout.write(`${JSON.stringify(row)}\n`);
    else {
      const seeds = `${row.seeds} of ${row.seedsMax}`.padStart(14);
      const words = [row.mutation.padEnd(wide), row.profile.padEnd(11), row.caught ? "yes   " : "NO    ", seeds];
      process.stdout.write(`${words.join("  ")}  ${row.invariant ?? "-"}\n`);
    }
  });
  const survived = rows.filter(({ caught }) => !caught);
  process.stderr.write(`${rows.length - survived.length} of ${rows.length} caught\n`);
  for (const { mutation } of survived) process.stderr.write(`survived: ${mutation}\n`);
  return survived.length === 0 ? 0 : 1;
}

/** Null: what was typed cannot be meant, and that is said. */
function read() {
  const options = {
    mutations: { type: "boolean" },
    profile: { type: "string" },
    only: { type: "string" },
    workers: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  } as const;
  try {
    return parseArgs({ options }).values;
  } catch (error: unknown) {
    const [what = ""] = (error instanceof Error ? error.message : String(error)).split(". ");
    const near = nearest(/^Unknown option '--([^']+)'/u.exec(what)?.[1] ?? "", Object.keys(options));
    process.stderr.write(`error: ${what}${near === null ? "" : `; did you mean --${near}?`}\n${USAGE}\n`);
    return null;
  }
}

/** In the order of the table, each told as soon as all before it are known. */
function rowsOf(slots: readonly number[], workersMax: number, tell: (row: Row) => void): Promise<Row[]> {
  const rows: (Row | undefined)[] = slots.map(() => undefined);
  const waiting = [...slots.keys()];
  let told = 0;
  return new Promise((resolve, reject) => {
    /** Which row each works at. */
    const works = new Map<ChildProcess, number>();
    const done = (at: number, row: Row): void => {
      rows[at] = row;
      for (let known = rows[told]; known !== undefined; known = rows[++told]) tell(known);
      if (told === rows.length) resolve(rows.filter((each) => each !== undefined));
    };
    const next = (worker: ChildProcess): void => {
      const at = waiting.shift();
      if (at === undefined) {
        // Nothing keeps it behind that.
        works.delete(worker);
        worker.disconnect();
        return;
      }
      works.set(worker, at);
      worker.once("message", (row: Row) => {
        done(at, row);
        next(worker);
      });
      // Whoever cannot be told has died.
      worker.send(slots[at] as number, () => undefined);
    };
    const begin = (): void => {
      const worker = fork(fileURLToPath(import.meta.url), [WORKER]);
      worker.on("error", reject);
      worker.on("exit", (code, signal) => {
        const at = works.get(worker);
        if (at === undefined) return;
        // Its row says that it was not caught; the others go on.
        const mutation = MUTATIONS[slots[at] as number] as Mutation;
        process.stderr.write(`${mutation.id}: its process ended with ${signal ?? `code ${code}`}\n`);
        done(at, { ...plainRowOf(mutation), caught: false, seeds: 0, invariant: null });
        if (waiting.length > 0) begin();
      });
      next(worker);
    };
    for (let count = Math.min(workersMax, slots.length); count > 0; count--) begin();
  });
}
