/**
 * `logs dump-segment`: what lies in the files of a log, a broker's or one that Kafka stopped. Segments (`.log`) are walked
 * batch by batch with every CRC checked; `.index`, `.timeindex` and `.snapshot` files are listed entry by entry. Nothing is
 * written and no lock is taken, so a running broker is not disturbed.
 *
 * For people one line per batch; with -o json or ndjson one object per line. `--verify` prints one line per file instead,
 * and ends with 9 when something is damaged. `--deep` opens every batch, also a compressed one, and reads its records.
 */
import type { DumpedBatch, DumpedFile } from "@tidemark/broker/tools";
import type { DecodedRecord } from "@tidemark/proto";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, toFailure } from "../failure.ts";
import { requireOutput } from "../global-flags.ts";
import { useNativeParts } from "../native-parts.ts";
import { ChunkWriter } from "../output/chunk-writer.ts";
import { plural } from "../output/units.ts";
import {
  batchLine,
  batchShape,
  damageLine,
  damageShape,
  type DamageShape,
  recordLine,
  recordShape,
} from "../records/dump-shapes.ts";
import { requireFile } from "../platform/text-file.ts";

export interface DumpSegmentRequest {
  readonly files: readonly string[];
  readonly records?: boolean;
  readonly deep?: boolean;
  readonly verify?: boolean;
  readonly offset?: number;
}

/** What `--verify` says of one file. */
export interface FileVerdict {
  readonly kind: "verdict";
  readonly file: string;
  readonly batches: number;
  readonly records: number;
  readonly entries: number;
  readonly firstOffset: number | null;
  readonly lastOffset: number | null;
  readonly damage: DamageShape | null;
}

export async function dumpSegment(context: CommandContext, request: DumpSegmentRequest): Promise<ExitCode> {
  for (const file of request.files) requireFile(file);
  await useNativeParts();
  const dump = new Dump(context, request, await openTools());
  const damaged: DamageShape[] = [];
  try {
    for (const file of request.files) {
      const verdict = await dump.file(file);
      if (verdict.damage !== null) damaged.push(verdict.damage);
    }
  } finally {
    // Whatever stops it, what was found before is shown.
    await dump.end();
  }
  const [first] = damaged;
  if (first === undefined || request.verify !== true) return ExitCode.OK;
  throw new CliFailure(
    "CORRUPT_SEGMENT",
    `${damaged.length} of ${plural(request.files.length, "file")} damaged; ${first.file} at byte ${first.position}: ${first.reason}`,
    {
      exitCode: ExitCode.UNHEALTHY,
      details: { damaged },
    },
  );
}

type DumpTools = Awaited<ReturnType<typeof openTools>>;

async function openTools() {
  const { dumpFile, dumpSegment: walk } = await import("@tidemark/broker/tools");
  const { FileDisk } = await import("@tidemark/broker/platform");
  const disk = new FileDisk();
  return { walk: (path: string) => walk(disk, path), read: (path: string) => dumpFile(disk, path) };
}

class Dump {
  readonly #request: DumpSegmentRequest;
  readonly #tools: DumpTools;
  readonly #writer: ChunkWriter;
  readonly #asJson: boolean;

  constructor(context: CommandContext, request: DumpSegmentRequest, tools: DumpTools) {
    this.#request = request;
    this.#tools = tools;
    this.#writer = new ChunkWriter(context.stdout);
    this.#asJson = requireOutput(context.flags, ["table", "json", "ndjson"], "table") !== "table";
  }

  async file(path: string): Promise<FileVerdict> {
    const isVerify = this.#request.verify === true;
    if (!isVerify && !this.#asJson && this.#request.files.length > 1) await this.#line(`${path}:`);
    const verdict = path.endsWith(".log") ? await this.#segment(path) : await this.#entries(path);
    if (isVerify) await this.#show(verdict, verdictLine);
    return verdict;
  }

  async end(): Promise<void> {
    await this.#writer.end();
  }

  async #segment(path: string): Promise<FileVerdict> {
    const found = { batches: 0, records: 0, firstOffset: null as number | null, lastOffset: null as number | null };
    let damage: DamageShape | null = null;
    for (const item of this.#tools.walk(path)) {
      if (item.kind === "bad") {
        damage ??= damageShape(path, item);
        if (this.#request.verify !== true) await this.#show(damageShape(path, item), damageLine);
        break;
      }
      found.batches += 1;
      found.records += item.header.recordsCount;
      found.firstOffset ??= item.header.baseOffset;
      found.lastOffset = item.header.lastOffset;
      if (item.header.lastOffset < (this.#request.offset ?? 0)) continue;
      damage ??= await this.#batch(path, item);
    }
    return { kind: "verdict", file: path, ...found, entries: 0, damage };
  }

  /** Shows one batch; answers what is wrong with its records, if they were looked at. */
  async #batch(path: string, batch: DumpedBatch): Promise<DamageShape | null> {
    const { records: withRecords, deep, verify } = this.#request;
    if (verify !== true) await this.#show(batchShape(path, batch), batchLine);
    if (withRecords !== true && deep !== true) return null;
    const opened = openRecords(path, batch);
    if (!opened.ok) {
      if (verify !== true) await this.#show(opened.damage, damageLine);
      return opened.damage;
    }
    if (withRecords === true && verify !== true) {
      for (const record of opened.records) await this.#show(recordShape(record), recordLine);
    }
    return null;
  }

  async #entries(path: string): Promise<FileVerdict> {
    const verdict = {
      kind: "verdict",
      file: path,
      batches: 0,
      records: 0,
      firstOffset: null,
      lastOffset: null,
    } as const;
    let dumped: DumpedFile;
    try {
      dumped = this.#tools.read(path);
    } catch (error: unknown) {
      const failure = toFailure(error);
      if (failure.code !== "CORRUPT_MESSAGE") throw failure;
      const damage: DamageShape = { kind: "damage", file: path, position: 0, reason: failure.message, bytesLeft: null };
      if (this.#request.verify !== true) await this.#show(damage, damageLine);
      return { ...verdict, entries: 0, damage };
    }
    if (this.#request.verify !== true) {
      for (const entry of dumped.entries)
        await this.#show({ kind: dumped.kind, file: path, ...entry }, () => entryLine(entry));
    }
    return { ...verdict, entries: dumped.entries.length, damage: null };
  }

  #show<T extends object>(shape: T, toLine: (shape: T) => string): Promise<void> {
    return this.#line(this.#asJson ? JSON.stringify(shape) : toLine(shape));
  }

  async #line(text: string): Promise<void> {
    if (!this.#writer.appendLine(Buffer.from(text))) await this.#writer.ready();
  }
}

type OpenedRecords =
  | { readonly ok: true; readonly records: readonly DecodedRecord[] }
  | { readonly ok: false; readonly damage: DamageShape };

function openRecords(file: string, batch: DumpedBatch): OpenedRecords {
  try {
    return { ok: true, records: batch.records() };
  } catch (error: unknown) {
    const { code, message } = toFailure(error);
    return {
      ok: false,
      damage: { kind: "damage", file, position: batch.position, reason: `${code}: ${message}`, bytesLeft: null },
    };
  }
}

function verdictLine(verdict: FileVerdict): string {
  const { file, batches, records, entries, firstOffset, lastOffset, damage } = verdict;
  const content = file.endsWith(".log")
    ? `${plural(batches, "batch")}, ${plural(records, "record")}${firstOffset === null ? "" : `, offsets ${firstOffset}..${String(lastOffset)}`}`
    : plural(entries, "entry");
  return `${file}: ${content}, ${damage === null ? "whole" : damageLine(damage)}`;
}

function entryLine(entry: object): string {
  return Object.entries(entry)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join("  ");
}
