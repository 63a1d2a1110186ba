import { expect } from "chai";
import fc from "fast-check";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { addProfile, deleteProfile, listProfiles, showProfile, useProfile } from "../../src/commands/profile.ts";
import { CliFailure } from "../../src/failure.ts";
import type { GlobalFlags } from "../../src/global-flags.ts";
import {
  profilesPath,
  readProfiles,
  readValue,
  withCurrent,
  withoutProfile,
  withProfile,
} from "../../src/settings/profiles.ts";
import { type TestContext, testContext, textOf } from "../support/context.ts";
import { ScratchDirectory } from "../support/tidemark.ts";

async function failureOf(work: Promise<unknown>): Promise<CliFailure> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(CliFailure);
  return error as CliFailure;
}

describe("profiles", () => {
  let scratch: ScratchDirectory;
  let env: Record<string, string>;

  const context = (flags: Partial<GlobalFlags> = {}): TestContext => ({
    ...testContext({ flags: { broker: null, ...flags } }),
    env,
  });
  const write = (text: string): void => {
    mkdirSync(dirname(profilesPath(env)), { recursive: true });
    writeFileSync(profilesPath(env), text);
  };
  const read = (): string => readFileSync(profilesPath(env), "utf8");

  beforeEach(() => {
    scratch = new ScratchDirectory();
    env = { XDG_CONFIG_HOME: scratch.path };
  });
  afterEach(() => scratch.remove());

  it("lie where XDG says, else below the home directory", () => {
    expect(profilesPath({ XDG_CONFIG_HOME: "/x" })).to.equal("/x/tidemark/config.toml");
    expect(profilesPath({ HOME: "/home/a", XDG_CONFIG_HOME: "" })).to.equal("/home/a/.config/tidemark/config.toml");
  });

  it("are added, used, shown and deleted; the file is its owner's alone", async () => {
    await addProfile(context({ broker: "a:1", settings: [["timeouts.request", "10s"]] }), { name: "prod" });
    await addProfile(context({ broker: "b:1" }), { name: "dev" });
    expect(statSync(profilesPath(env)).mode & 0o777).to.equal(0o600);
    expect(await readProfiles(env)).to.include({ current: "prod", previous: null });
    await useProfile(context(), { name: "dev" });
    await useProfile(context(), { name: "-" });
    expect(await readProfiles(env)).to.include({ current: "prod", previous: "dev" });
    const shown = context({ output: "ndjson" });
    await showProfile(shown, { name: "prod" });
    expect(textOf(shown.stdout)).to.include('{"key":"timeouts.request","value":"10s","source":"profile prod"}');
    await deleteProfile(context({ isYes: true }), { name: "prod" });
    expect(await readProfiles(env)).to.include({ current: null, previous: "dev" });
    const listed = context({ output: "name" });
    await listProfiles(listed);
    expect(textOf(listed.stdout)).to.equal("dev\n");
  });

  it("are deleted with --yes, or when their name was typed", async () => {
    await addProfile(context({ broker: "a:1" }), { name: "prod" });
    expect(await failureOf(deleteProfile(context(), { name: "prod" }))).to.include({
      code: "NEEDS_CONFIRMATION",
      hint: "`tidemark profile show prod` shows what it holds",
    });
    const typing = async (text: string): Promise<void> => {
      const terminal = { ...testContext({ isTerminal: true }), env };
      const done = deleteProfile(terminal, { name: "prod" });
      terminal.stdin.write(text);
      await done;
    };
    expect(await failureOf(typing("dev\n"))).to.include({ code: "DECLINED", message: "profile prod was not deleted" });
    expect([...(await readProfiles(env)).profiles.keys()]).to.deep.equal(["prod"]);
    await typing("prod\n");
    expect((await readProfiles(env)).profiles.size).to.equal(0);
  });

  it("are edited line by line: comments and what else stands there stay", async () => {
    write(
      '# mine\ncurrent = "a"\n\n[profiles.a] # first\nbrokers = "a:1"\n\n# about b\n[profiles.b]\nbrokers = "b:1"\n',
    );
    await useProfile(context(), { name: "b" });
    expect(read()).to.equal(
      'current = "b"\nprevious = "a"\n# mine\n\n[profiles.a] # first\nbrokers = "a:1"\n\n# about b\n[profiles.b]\nbrokers = "b:1"\n',
    );
    await deleteProfile(context({ isYes: true }), { name: "b" });
    expect(read()).to.include("# mine").and.include("[profiles.a] # first").and.not.include("b:1");
  });

  it("are not rewritten when an edit by line does not come out right", async () => {
    const text = 'profiles.a.brokers = "a:1"\nprofiles.b.brokers = "b:1"\n';
    write(text);
    expect((await failureOf(deleteProfile(context({ isYes: true }), { name: "a" }))).message).to.include(
      "cannot be edited line by line",
    );
    expect(read()).to.equal(text);
  });

  it("are refused with file and line when the file is broken", async () => {
    const edit = "`tidemark profile edit` opens it";
    const cases: [text: string, place: string, reason: string, hint: string][] = [
      ['[profiles.a]\nbrokers = "a:1\n', ":2:", "config.toml", edit],
      ['[profiles.a]\nbrokrs = "a:1"\n', ":2:", "no setting brokrs", "did you mean brokers?"],
      ['[profiles.a]\ntimeouts.request = "soon"\n', ":2:", "expected a duration", edit],
      ['[profiles.a]\nauth.password = "hunter2"\n', ":2:", "is a secret", "a secret is { env ="],
      ["[profiles.a]\nauth.password = { env = 3 }\n", ":2:", "something else than a text", "a secret is { env ="],
      ['curent = "a"\n', ":1:", "curent is neither", edit],
      ["current = 3\n", ":1:", "not the name of a profile", edit],
      ['profiles = "x"\n', ":1:", "no table", edit],
    ];
    for (const [text, place, reason, hint] of cases) {
      write(text);
      const failure = await failureOf(readProfiles(env));
      expect(failure, text).to.include({ code: "INVALID_PROFILES", exitCode: 2 });
      expect(failure.message, text).to.include(place).and.include(reason);
      expect(failure.message, text).to.not.include("hunter2");
      expect(failure.hint, text).to.include(hint);
    }
  });

  it("name the nearest one for a name that is not there", async () => {
    write('[profiles.production]\nbrokers = "a:1"\n');
    const failure = await failureOf(useProfile(context(), { name: "prodction" }));
    expect(failure).to.include({ code: "UNKNOWN_PROFILE", exitCode: 3, hint: "did you mean production?" });
    expect((await failureOf(useProfile(context(), { name: "-" }))).code).to.equal("UNKNOWN_PROFILE");
  });

  it("take no secret from the command line, and no profile twice", async () => {
    const failure = await failureOf(addProfile(context({ settings: [["auth.password", "hunter2"]] }), { name: "a" }));
    expect(failure.message + failure.hint)
      .to.include("secret")
      .and.not.include("hunter2");
    await addProfile(context({ broker: "a:1" }), { name: "a" });
    expect(await failureOf(addProfile(context({ broker: "a:1" }), { name: "a" }))).to.include({ exitCode: 4 });
    expect((await failureOf(addProfile(context({ broker: "a:1" }), { name: "a b" }))).exitCode).to.equal(2);
  });

  it("read values from the environment, a file or a command", () => {
    const file = scratch.join("secret");
    writeFileSync(file, "from a file\n");
    expect(readValue({ env: "SECRET" }, "x", { SECRET: "from here" })).to.equal("from here");
    expect(readValue({ file }, "x", {})).to.equal("from a file");
    expect(readValue({ command: "echo from a command" }, "x", {})).to.equal("from a command");
    for (const [value, hint] of [
      [{ env: "NONE" }, "set NONE"],
      [{ file: scratch.join("none") }, scratch.join("none")],
      [{ command: "exit 3" }, "run it by itself"],
    ] as const) {
      const read = (): string => readValue(value, "auth.password", {});
      expect(read).to.throw(CliFailure, "auth.password").with.property("hint").that.includes(hint);
    }
  });

  it("stay what they are whatever is added and deleted", async () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_.-]{1,8}$/).filter((one) => one !== "-" && one !== "__proto__");
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), async (names) => {
        const path = profilesPath(env);
        let file = {
          path,
          text: "# c\n",
          current: null as string | null,
          previous: null as string | null,
          profiles: new Map(),
        };
        for (const one of names) {
          write(withProfile(file, one, [["brokers", `${one}:1`]]));
          file = (await readProfiles(env)) as typeof file;
          write(withCurrent(file, one));
          file = (await readProfiles(env)) as typeof file;
          expect(file.current).to.equal(one);
        }
        expect([...file.profiles.keys()]).to.have.members(names);
        for (const one of names) {
          write(withoutProfile(file, one));
          file = (await readProfiles(env)) as typeof file;
        }
        expect(file.profiles.size).to.equal(0);
        expect(file.text).to.include("# c");
      }),
      { numRuns: 30 },
    );
  });
});
