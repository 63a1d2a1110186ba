// Loaded with `node --require`: when the process ends, appends the CommonJS modules it has loaded to the file named by
// MODULES_FILE. gRPC, commander and most other dependencies are CommonJS, so they show here.
const { appendFileSync } = require("node:fs");

process.on("exit", () => appendFileSync(process.env.MODULES_FILE, Object.keys(require.cache).join("\n")));
