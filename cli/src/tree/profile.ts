/** `profile`, also called `ctx`. */
import type { Command } from "commander";
import type { AddProfileRequest } from "../commands/profile.ts";
import { type Launch, withTraits } from "./options.ts";

export function buildProfile(profile: Command, launch: Launch): void {
  profile
    .command("list")
    .description("all profiles, and which one is in use")
    .action((_options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/profile.ts")).listProfiles(context)),
    );
  withTraits(profile.command("use <name>"), { argument: "profile" })
    .description("take this one from now on; - is the one before")
    .action((name: string, _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/profile.ts")).useProfile(context, { name })),
    );
  profile
    .command("add <name>")
    .description("a new profile from -b and -X")
    .option("--use", "and take it from now on")
    .action((name: string, options: Omit<AddProfileRequest, "name">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/profile.ts")).addProfile(context, { name, ...options }),
      ),
    );
  withTraits(profile.command("show [name]"), { argument: "profile" })
    .description("its settings; without a name what holds now, from all layers")
    .action((name: string | undefined, _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/profile.ts")).showProfile(context, { name })),
    );
  profile
    .command("edit")
    .description("open the file in $EDITOR")
    .action((_options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/profile.ts")).editProfiles(context)),
    );
  withTraits(profile.command("delete <name>"), { argument: "profile" })
    .description("take a profile out of the file")
    .action((name: string, _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/profile.ts")).deleteProfile(context, { name })),
    );
  profile
    .command("settings")
    .description("what a profile and -X may set")
    .action((_options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/profile.ts")).listSettings(context)),
    );
}
