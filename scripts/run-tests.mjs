/**
 * Runs the test files in batches, a mocha of its own for each, a few at a time. A batch that fails, dies or hangs harms no
 * other and says what it was doing; the slowest files and the failures of all stand at the end, above the one line that counts.
 *
 * mocha's own `--parallel` is not used: it sends the error of a failed test to its parent property by property, and where
 * one holds something that cannot be sent, what is reported is the sending, and the failed test is lost with its file.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative } from "node:path";

/** Each batch loads what it tests anew: as few as there can be, and small ones at the end, so that all jobs end together. */
const FILES_PER_BATCH = 12;
const FILES_PER_BATCH_MIN = 3;
/** One more than there are cores: many files wait for brokers and clients of theirs most of the time. */
const JOBS_MAX = 4;
const SLOWEST_SHOWN = 10;
/** Of a file that is worth naming. */
const SLOW_MS = 5000;
/** A batch takes seconds, on a busy machine minutes; one that is still there after this long hangs. */
const BATCH_LIMIT_MS = 2_400_000;

/**
 * `command` is the mocha to run, as [file, ...arguments]; resolves with the exit code of the whole run.
 * TEST_JOBS sets how many batches run side by side.
 */
export async function runTests({ root, files, command, filesPerBatch = FILES_PER_BATCH, slowMs = SLOW_MS }) {
  const wantedJobs = Number(process.env.TEST_JOBS ?? Math.min(JOBS_MAX, availableParallelism() + 1));
  const scratch = mkdtempSync(join(tmpdir(), "tidemark-tests-"));
  const batches = batchesOf(files, wantedJobs, filesPerBatch);
  const total = { passed: 0, failures: [], skipped: [], files: [] };
  let next = 0;

  const worker = async () => {
    while (next < batches.length) {
      const number = next;
      next += 1;
      const summaryPath = join(scratch, `${number}.json`);
      const ended = await runBatch({ root, command, files: batches[number], summaryPath });
      process.stdout.write(ended.output);
      add(total, ended, summaryPath, batches[number], root);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, wantedJobs) }, worker));
  rmSync(scratch, { recursive: true, force: true });
  report(total, root, slowMs);
  return total.failures.length === 0 ? 0 : 1;
}

function batchesOf(files, jobs, filesMax) {
  const batches = [];
  for (let at = 0; at < files.length; at += batches.at(-1).length) {
    const size = Math.min(filesMax, Math.max(FILES_PER_BATCH_MIN, Math.ceil((files.length - at) / (2 * jobs))));
    batches.push(files.slice(at, at + size));
  }
  return batches;
}

function runBatch({ root, command, files, summaryPath }) {
  return new Promise((resolve) => {
    const [file, ...args] = command;
    const child = spawn(file, [...args, "--reporter-option", `summary=${summaryPath}`, ...files], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, FORCE_COLOR: process.stdout.isTTY ? "1" : "0" },
    });
    const chunks = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    const limit = setTimeout(() => child.kill("SIGKILL"), BATCH_LIMIT_MS);
    child.once("close", (code, signal) => {
      clearTimeout(limit);
      resolve({ code, signal, output: Buffer.concat(chunks) });
    });
  });
}

function add(total, { code, signal }, summaryPath, files, root) {
  const summary = readSummary(summaryPath);
  total.passed += summary.passed;
  total.skipped.push(...summary.skipped);
  total.failures.push(...summary.failures);
  total.files.push(...summary.files);
  if (summary.isWhole && (code === 0 || summary.failures.length > 0)) return;
  const how = signal === null ? `ended with ${code}` : `was ended by ${signal}`;
  const names = files.map((path) => `\n     ${relative(root, path)}`).join("");
  total.failures.push({ title: "a batch of tests", text: `the batch ${how} though no test of it failed:${names}` });
}

/** A batch that died before its end has none. */
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
