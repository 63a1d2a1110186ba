/** What the offline commands share: the real disk as the broker's tools take it, and who else has the directory open. */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { SurveyedDirectory, WalkHost } from "@tidemark/broker/tools";
import { type CommandContext, warn } from "../command-context.ts";
import { CliFailure } from "../failure.ts";
import { useNativeParts } from "../native-parts.ts";
import { layoutOf, memberDirectory } from "./data-layout.ts";

/** Of the lock's holder: a hint, since a killed broker leaves it. */
const PID_FILE = ".pid";

export interface OpenedDirectory {
  readonly survey: SurveyedDirectory;
  /** Process id of the broker that has the directory open. */
  readonly brokerPid: number | null;
}

/** @throws CliFailure FILE_NOT_FOUND, ENOTDIR */
export function requireDirectory(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new CliFailure("FILE_NOT_FOUND", `${path}: no such directory`);
  if (!stat.isDirectory())
    throw new CliFailure("ENOTDIR", `${path} is a file`, { hint: "name a data directory, or that of one partition" });
  return resolve(path);
}

/**
 * Reads names and checkpoints of a data directory, or of one partition's. Says so where a broker runs on it.
 * @throws CliFailure FILE_NOT_FOUND, ENOTDIR, NOT_A_DATA_DIRECTORY
 */
export async function openDirectory(context: CommandContext, path: string): Promise<OpenedDirectory> {
  const directory = requireDirectory(path);
  const { surveyDirectory } = await import("@tidemark/broker/tools");
  const { FileDisk } = await import("@tidemark/broker/platform");
  const brokerPid = findBroker(directory) ?? findBroker(resolve(directory, ".."));
  const survey = surveyDirectory(new FileDisk(), directory, { isLive: brokerPid !== null });
  if (survey === null) {
    const [member] = layoutOf(directory).ids;
    throw new CliFailure("NOT_A_DATA_DIRECTORY", `${path} is neither a data directory nor that of a partition`, {
      hint:
        member === undefined
          ? "a data directory holds meta.properties and directories such as orders-0"
          : `it holds those of several brokers: name one, such as ${memberDirectory(path, member)}`,
    });
  }
  if (brokerPid !== null)
    warn(context, `a broker (pid ${brokerPid}) runs on ${path}: it is only read, as it stands, and changes meanwhile`);
  return { survey, brokerPid };
}

/** What the walks over segments need. `onBytes` hears how far they are; a signal ends them. */
export async function walkHost(context: CommandContext, onBytes: (bytes: number) => void): Promise<WalkHost> {
  await useNativeParts();
  const { FileDisk, SystemTimers } = await import("@tidemark/broker/platform");
  return {
    disk: new FileDisk(),
    timers: new SystemTimers(),
    onBytes: (bytes) => {
      context.signal.throwIfAborted();
      onBytes(bytes);
    },
  };
}

/** Process id of a broker that lives and says that the directory is its; null = none. */
export function findBroker(directory: string): number | null {
  let text: string;
  try {
    text = readFileSync(`${directory}/${PID_FILE}`, "utf8");
  } catch {
    return null;
  }
  const pid = /^\s*(\d{1,10})\s*$/.exec(text)?.[1];
  return pid !== undefined && isAlive(Number(pid)) ? Number(pid) : null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error: unknown) {
    // Of another user: it is there all the same.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
