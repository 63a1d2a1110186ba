/**
 * `profile list | use | add | show | edit | delete | settings`: named settings of the client, so that -b and -X need not be
 * typed. What is in the file is said by settings/profiles.ts; nothing here asks a broker.
 */
import { existsSync } from "node:fs";
import { type CommandContext, note } from "../command-context.ts";
import { confirm } from "../confirm.ts";
import { openEditor } from "../editor.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";
import type { Pair } from "../global-flags.ts";
import { type Column, printRows } from "../output/rows.ts";
import { CLIENT_SETTINGS, type ClientSetting, parseSetting, requireSetting } from "../settings/client-settings.ts";
import {
  type Profile,
  type ProfileFile,
  type ProfileValue,
  profilesPath,
  readProfiles,
  requireProfile,
  withCurrent,
  withoutProfile,
  withProfile,
  writeProfiles,
} from "../settings/profiles.ts";
import { profileInForce, resolveSettings } from "../settings/resolve.ts";

interface ProfileRow {
  readonly name: string;
  readonly current: boolean;
  readonly brokers: string | null;
  readonly settings: number;
}

const COLUMNS: readonly Column<ProfileRow>[] = [
  { title: "profile", cell: (row) => row.name },
  { title: "current", cell: (row) => (row.current ? "*" : ""), value: (row) => row.current },
  { title: "brokers", cell: (row) => row.brokers },
  { title: "settings", cell: (row) => row.settings, isWide: true },
];

export async function listProfiles(context: CommandContext): Promise<ExitCode> {
  const file = await readProfiles(context.env);
  const current = profileInForce(context, file);
  const rows = [...file.profiles].map(([name, profile]) => {
    const brokers = profile.get("brokers");
    return {
      name,
      current: name === current,
      brokers: brokers === undefined ? null : shownValue(brokers),
      settings: profile.size,
    };
  });
  printRows(context, rows, COLUMNS);
  if (rows.length === 0)
    note(context, `${file.path} has no profiles; \`tidemark profile add NAME --broker host:port\``);
  return ExitCode.OK;
}

/** `-` is the one before. */
export async function useProfile(context: CommandContext, { name }: { readonly name: string }): Promise<ExitCode> {
  const file = await readProfiles(context.env);
  const next = name === "-" ? file.previous : name;
  if (next === null) throw new CliFailure("UNKNOWN_PROFILE", "there is no profile before the current one");
  await requireProfile(file, next);
  await writeProfiles(file, withCurrent(file, next), (edited) => edited.current === next && hasSame(edited, file));
  note(context, `profile ${next} is in use`);
  return ExitCode.OK;
}

export interface AddProfileRequest {
  readonly name: string;
  readonly use?: boolean;
}

/** Takes -b and -X, which are read as settings of the new profile. */
export async function addProfile(context: CommandContext, request: AddProfileRequest): Promise<ExitCode> {
  const { name } = request;
  if (!/^[\w.-]+$/.test(name) || name === "-")
    throw usageFailure(`a profile's name has letters, digits, . _ and -, not ${JSON.stringify(name)}`);
  const file = await readProfiles(context.env);
  if (file.profiles.has(name)) {
    throw new CliFailure("PROFILE_EXISTS", `there is a profile ${name} already`, {
      hint: `\`tidemark profile edit\` changes it, \`tidemark profile delete ${name}\` makes room`,
    });
  }
  const values = await givenSettings(context);
  if (values.length === 0) throw usageFailure("a profile needs a setting", "name brokers with -b host:port,...");
  const text = withProfile(file, name, values);
  const isRight = (edited: ProfileFile): boolean =>
    edited.profiles.size === file.profiles.size + 1 && edited.profiles.get(name)?.size === values.length;
  await writeProfiles(file, text, isRight);
  note(context, `added profile ${name} to ${file.path}`);
  if (request.use === true || file.profiles.size === 0) await useProfile(context, { name });
  return ExitCode.OK;
}

export async function showProfile(
  context: CommandContext,
  { name }: { readonly name: string | undefined },
): Promise<ExitCode> {
  if (name === undefined) {
    // What a command would run with, from all layers.
    const { effective } = await resolveSettings(context);
    printRows(context, effective, []);
    return ExitCode.OK;
  }
  const file = await readProfiles(context.env);
  const profile = await requireProfile(file, name);
  const rows = [...profile].map(([key, value]) => ({ key, value: shownValue(value), source: `profile ${name}` }));
  printRows(context, rows, []);
  return ExitCode.OK;
}

/** Opens the file, also a broken one, and says what is wrong with it afterwards. */
export async function editProfiles(context: CommandContext): Promise<ExitCode> {
  const path = profilesPath(context.env);
  if (!existsSync(path)) {
    const file = await readProfiles(context.env);
    await writeProfiles(file, FIRST_FILE, () => true);
  }
  await openEditor(context, path);
  const { profiles } = await readProfiles(context.env);
  note(context, `${path} has ${profiles.size === 1 ? "1 profile" : `${profiles.size} profiles`}`);
  return ExitCode.OK;
}

export async function deleteProfile(context: CommandContext, { name }: { readonly name: string }): Promise<ExitCode> {
  const file = await readProfiles(context.env);
  await requireProfile(file, name);
  const question = {
    name,
    text: `Delete profile ${name} from ${file.path}?`,
    declined: `profile ${name} was not deleted`,
  };
  await confirm(
    context,
    `deleting profile ${name}`,
    [question],
    `\`tidemark profile show ${name}\` shows what it holds`,
  );
  const isRight = (edited: ProfileFile): boolean =>
    !edited.profiles.has(name) && edited.profiles.size === file.profiles.size - 1;
  await writeProfiles(file, withoutProfile(file, name), isRight);
  note(context, `deleted profile ${name}`);
  return ExitCode.OK;
}

export async function listSettings(context: CommandContext): Promise<ExitCode> {
  const rows = CLIENT_SETTINGS.map((setting: ClientSetting) => ({
    key: setting.key,
    kind: setting.choices?.join("|") ?? setting.kind,
    environment: setting.environment ?? null,
    doc: setting.doc,
  }));
  printRows(context, rows, []);
  return ExitCode.OK;
}

async function givenSettings({ flags }: CommandContext): Promise<Pair[]> {
  const values = new Map<string, string>();
  for (const [key, text] of flags.settings) {
    const setting = await requireSetting(key);
    if (setting.kind === "secret") {
      throw usageFailure(
        `${key} is a secret; the file gets the place it stands in`,
        `\`tidemark profile edit\`, then ${key} = { env = "NAME" }, { file = "PATH" } or { command = "..." }`,
      );
    }
    parseSetting(setting, text);
    values.set(key, text);
  }
  if (flags.broker !== null) values.set("brokers", flags.broker);
  return [...values];
}

/** Where a value comes from, never what a command or file has to say. */
function shownValue(value: ProfileValue): string {
  if (typeof value === "string") return value;
  const [[kind, place] = ["", ""]] = Object.entries(value);
  return `{ ${kind}: ${String(place)} }`;
}

function hasSame(one: ProfileFile, other: ProfileFile): boolean {
  const sizes = (file: ProfileFile): string =>
    [...file.profiles].map(([name, all]: [string, Profile]) => name + all.size).join();
  return sizes(one) === sizes(other);
}

const FIRST_FILE = `# Profiles of the tidemark command line; \`tidemark profile settings\` lists the keys.
# current = "dev"
#
# [profiles.dev]
# brokers = "127.0.0.1:9192"
# timeouts.request = "10s"
`;
