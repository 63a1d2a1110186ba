/**
 * The command tree: names, flags, help. Nothing but commander and the parsers is loaded here; a command's own module (and
 * with it the SDK, gRPC, the broker) is imported when that command runs, so that `--help` and completion stay fast.
 */
import { Command } from "commander";
import { addGlobalFlags } from "./tree/global.ts";
import type { Launch } from "./tree/options.ts";
import { addProfile } from "./tree/profile.ts";
import { addConsume, addProduce, addTail } from "./tree/records.ts";
import { addDev, addServer } from "./tree/run.ts";
import { addConfigs } from "./tree/configs.ts";
import { addLogs } from "./tree/logs.ts";
import { addSmallCommands } from "./tree/small.ts";
import { addTopics } from "./tree/topics.ts";

export const EXAMPLES = `Examples:
  tidemark dev                                    one broker, data in .tidemark
  tidemark topics create orders -p 6              a topic with six partitions
  tidemark produce orders --file orders.txt       every line is a record
  tidemark consume orders --from start            all records, and on
  tidemark consume a --until end -o ndjson | tidemark produce b -f ndjson
`;

export function createProgram(launch: Launch): Command {
  const program = new Command("tidemark")
    .description("A replicated, partitioned log broker: run it, fill it, read it, look inside.")
    .configureHelp({ showGlobalOptions: true })
    .helpCommand("help [command]", "explain a command")
    .addHelpText("after", `\n${EXAMPLES}`);
  addGlobalFlags(program);
  addDev(program, launch);
  addServer(program, launch);
  addTopics(program, launch);
  addConfigs(program, launch);
  addProduce(program, launch);
  addConsume(program, launch);
  addTail(program, launch);
  addLogs(program, launch);
  addProfile(program, launch);
  addSmallCommands(program, launch);
  return program;
}
