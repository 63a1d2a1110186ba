// Loaded with `node --require`: when the process ends, writes the CommonJS modules it has loaded to the file named by
// MODULES_FILE. gRPC, commander and most other dependencies are CommonJS, so they show here.
const { writeFileSync } = require("node:fs");

process.on("exit", () => writeFileSync(process.env.MODULES_FILE, Object.keys(require.cache).join("\n")));
