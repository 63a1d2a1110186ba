/**
 * A process of run-tests.mjs: takes mocha's options as arguments, and by message one test file after the other, each for a
 * mocha of its own. The modules that the files share, and the code that was compiled of them, are those of the process.
 */
import { setFlagsFromString } from "node:v8";
import Mocha from "mocha";
import { loadOptions } from "mocha/lib/cli/options.cjs";
import { END_OF_FILE } from "./run-tests.mjs";

const options = loadOptions(process.argv.slice(2));
// As the broker has it (process-tuning.ts): most of what a test runs is over before compiling it has paid.
setFlagsFromString("--interrupt-budget=270336");
/** Node's own ten are too few for a failure in what a test calls; without a limit, as mocha has it, each error costs more. */
Error.stackTraceLimit = 50;

/** Heard while no mocha listens: a file loads, or has run; those within a run are mocha's own. */
const rejections = new Map();
let isRunning = false;

async function run(file, summaryPath) {
  const mocha = new Mocha({ ...options, reporterOptions: { summary: summaryPath } });
  mocha.addFile(file);
  try {
    await mocha.loadFilesAsync();
    await toldOfRejections();
    isRunning = true;
    await new Promise((resolve) => mocha.run(resolve));
  } catch (error) {
    console.error(error);
  } finally {
    isRunning = false;
    await toldOfRejections();
    // Or its listeners of the process stay, and each hands what it hears to all the others.
    mocha.dispose();
  }
}

/** Node tells of a rejection when no reaction is left. */
function toldOfRejections() {
  return new Promise((resolve) => void setImmediate(resolve));
}

function tellEnd() {
  process.stdout.write(END_OF_FILE);
  process.stderr.write(END_OF_FILE);
  const unhandled = [...rejections.values()].map((reason) => String(reason?.stack ?? reason));
  rejections.clear();
  process.send({ rssBytes: process.memoryUsage.rss(), unhandled });
}

process.on("message", ({ file, summaryPath }) => void run(file, summaryPath).then(tellEnd));
// Within a run this is mocha's: one that is handled late fails no test. Between two runs it would end the process.
process.on("unhandledRejection", (reason, promise) => {
  // By promise: where mocha still listens it hands on what it hears.
  if (!isRunning) rejections.set(promise, reason);
});
// Whatever tests have left open.
process.on("disconnect", () => process.exit());
