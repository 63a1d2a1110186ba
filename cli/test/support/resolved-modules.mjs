// Loaded with `node --import`: appends the address of every module that is imported to the file named by MODULES_FILE. What
// CommonJS packages require themselves shows in loaded-modules.cjs; both together are all that a process loads.
import { register } from "node:module";

const hooks = `
  import { appendFileSync } from "node:fs";
  export async function resolve(specifier, context, next) {
    const found = await next(specifier, context);
    appendFileSync(${JSON.stringify(process.env.MODULES_FILE)}, found.url + "\\n");
    return found;
  }`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
