/**
 * Runs the test files in a few processes (test-process.mjs), each of which takes one file after the other: what all of them
 * load is loaded once for each process. A file during which the process dies or hangs harms no other and is named; the slowest
 * files and the failures of all stand at the end, above the one line that counts.
 *
 * mocha's own `--parallel` is not used: it sends the error of a failed test to its parent property by property, and where
 * one holds something that cannot be sent, what is reported is the sending, and the failed test is lost with its file.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative } from "node:path";

/** More than there are cores: many files wait for brokers and clients of theirs most of the time. */
const JOBS_MAX = 4;
const SLOWEST_SHOWN = 10;
/** Of a file that is worth naming. */
const SLOW_MS = 5000;
/** A file takes seconds, on a busy machine minutes; one that is still there after this long hangs. */
const FILE_LIMIT_MS = 1_200_000;
/** What tests leave in memory slows the next ones down. */
const RSS_MAX = 1024 ** 3;
/** Ends what a file printed, on each of the two streams. */
export const END_OF_FILE = "\u0004end of file\u0004\n";

/**
 * `command` is the process to run files in, as [file, ...arguments]; resolves with the exit code of the whole run.
 * TEST_JOBS sets how many there are side by side.
 */
export async function runTests({ root, files, command, slowMs = SLOW_MS }) {
  const { TEST_JOBS = String(Math.min(JOBS_MAX, availableParallelism() + 2)) } = process.env;
  if (!/^[1-9]\d{0,2}$/.test(TEST_JOBS)) {
    console.error(`TEST_JOBS=${TEST_JOBS}: expected how many test processes run side by side, 1 to 999`);
    return 1;
  }
  const scratch = mkdtempSync(join(tmpdir(), "tidemark-tests-"));
  const total = { passed: 0, failures: [], skipped: [], files: [] };
  const left = files.entries();
  // Then a file may well have none.
  const mayBeEmpty = command.some((argument) => /^(?:-[gf]|--(?:grep|fgrep))(?:=|$)/.test(argument));

  const worker = async () => {
    let tests = null;
    let last = "";
    const end = async () => {
      const { code, signal } = (await tests?.end()) ?? { code: 0, signal: null };
      if (code !== 0) total.failures.push({ title: last, text: `behind this file its process ${endOf(code, signal)}` });
    };
    for (const [number, file] of left) {
      if (tests === null || tests.isOver) tests = new TestProcess(root, command);
      const summaryPath = join(scratch, `${number}.json`);
      const ended = await tests.run(file, summaryPath);
      process.stdout.write(ended.output);
      last = relative(root, file);
      add(total, ended, summaryPath, { file: last, mayBeEmpty });
      if (ended.rssBytes > RSS_MAX) await end();
    }
    await end();
  };
  await Promise.all(Array.from({ length: Number(TEST_JOBS) }, worker));
  rmSync(scratch, { recursive: true, force: true });
  report(total, root, slowMs);
  return total.failures.length === 0 ? 0 : 1;
}

class TestProcess {
  /** It takes no more files. */
  isOver = false;
  /** Its end was told of, with the file that it was the end of. */
  #isTold = false;
  #child;
  #chunks = [];
  #onEnd = () => undefined;

  constructor(root, [file, ...args]) {
    this.#child = spawn(file, args, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, FORCE_COLOR: process.stdout.isTTY ? "1" : "0" },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      let tail = "";
      stream.on("data", (chunk) => {
        this.#chunks.push(chunk);
        tail += chunk.toString("latin1");
        if (tail.includes(END_OF_FILE)) {
          tail = "";
          this.#onEnd({});
        } else tail = tail.slice(-END_OF_FILE.length);
      });
    }
    this.#child.on("message", (message) => this.#onEnd(message));
    this.#child.once("close", (code, signal) => {
      this.isOver = true;
      this.#onEnd({ code, signal });
    });
  }

  /** Resolves with what it printed, and how it ended where it did; the file says itself what came of it (`summaryPath`). */
  run(file, summaryPath) {
    return new Promise((resolve) => {
      const limit = setTimeout(() => this.#child.kill("SIGKILL"), FILE_LIMIT_MS);
      let ended = {};
      // Two streams and a message.
      let awaited = 3;
      this.#onEnd = (said) => {
        ended = { ...ended, ...said };
        awaited -= 1;
        if (awaited > 0 && !this.isOver) return;
        clearTimeout(limit);
        this.#isTold = this.isOver;
        this.#onEnd = () => undefined;
        const output = Buffer.concat(this.#chunks.splice(0)).toString().replaceAll(END_OF_FILE, "");
        resolve({ ...ended, output });
      };
      this.#child.send({ file, summaryPath }, () => undefined);
    });
  }

  /** Resolves when it is gone, with how it went unless that was told of already. */
  end() {
    if (this.#isTold) return Promise.resolve(null);
    this.#isTold = true;
    this.isOver = true;
    return new Promise((resolve) => {
      const { exitCode, signalCode } = this.#child;
      if (exitCode !== null || signalCode !== null) return resolve({ code: exitCode, signal: signalCode });
      this.#child.once("exit", (code, signal) => resolve({ code, signal }));
      if (this.#child.connected) this.#child.disconnect();
    });
  }
}

function add(total, { code, signal, unhandled = [] }, summaryPath, { file, mayBeEmpty }) {
  const summary = readSummary(summaryPath);
  const { isWhole, passed, skipped, failures } = summary;
  total.passed += passed;
  total.skipped.push(...skipped);
  total.failures.push(...failures);
  total.files.push(...summary.files);
  const fail = (text) => total.failures.push({ title: file, text });
  for (const reason of unhandled) fail(`nobody handled a rejection while no test ran: ${reason}`);
  if (code !== undefined) fail(`the file ${endOf(code, signal, "ended its process")}`);
  else if (!isWhole) fail("the file could not be run");
  else if (!mayBeEmpty && passed + skipped.length + failures.length === 0) fail("the file has no test");
}

function endOf(code, signal, verb = "ended") {
  return signal === null ? `${verb} with ${code}` : `was ended by ${signal}`;
}

/** A file that was not run to its end has none. */
function readSummary(path) {
  try {
    return { ...JSON.parse(readFileSync(path, "utf8")), isWhole: true };
  } catch {
    return { passed: 0, failures: [], skipped: [], files: [], isWhole: false };
  }
}

function report({ passed, failures, skipped, files }, root, slowMs) {
  const slow = files.filter(({ elapsedMs }) => elapsedMs >= slowMs).sort((a, b) => b.elapsedMs - a.elapsedMs);
  for (const { path, elapsedMs, cpuMs } of slow.slice(0, SLOWEST_SHOWN)) {
    const seconds = (ms) => (ms / 1000).toFixed(1);
    console.log(`SLOW ${relative(root, path)}: ${seconds(elapsedMs)} s, ${seconds(cpuMs)} s of it computing`);
  }
  for (const title of skipped) console.log(`SKIPPED ${title}`);
  for (const { title, text } of failures) console.log(`\nFAILED ${title}\n${text}`);
  console.log(`\n${passed} passed, ${failures.length} failed, ${skipped.length} skipped`);
}
