/** docs/api: what programs are written against, made from the compiled declarations and the protobuf files. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageApi } from "./package-api.ts";

const MADE = "Made by `npm run reference`; a test fails when it is out of date.";

/** Text by path below `root`. */
export function apiPages(root: string): readonly (readonly [string, string])[] {
  const declarations = (name: string): string => join(root, name, "dist/src/index.d.ts");
  const ofKit = (name: string): string => declarations(name).replace("index.d.ts", "testing/index.d.ts");
  const protobuf = (name: string): string => readFileSync(join(root, "proto/tidemark/v1", `${name}.proto`), "utf8");
  return [
    ["docs/api/client.md", packagePage("@tidemark/client", declarations("client"))],
    ["docs/api/broker.md", packagePage("@tidemark/broker", declarations("broker"))],
    ["docs/api/testing.md", packagePage("tidemark/testing", ofKit("cli"))],
    ["docs/api/broker-testing.md", packagePage("@tidemark/broker/testing", ofKit("broker"))],
    ["docs/api/grpc.md", protobufPage(["data", "admin"].map((name) => [`${name}.proto`, protobuf(name)] as const))],
  ];
}

function packagePage(name: string, path: string): string {
  const { purpose, entries } = packageApi(path);
  const index = entries.map((entry) => `[${entry.name}](#${entry.name.toLowerCase()})`).join(", ");
  const sections = entries.map(
    ({ name: heading, docstring, declaration }) =>
      `## ${heading}\n\n${docstring === "" ? "" : `${docstring}\n\n`}\`\`\`ts\n${declaration}\n\`\`\`\n`,
  );
  return [`# ${name}\n\n${MADE}\n\n${purpose}\n\n${index}\n`, ...sections].join("\n");
}

/** A `.proto` file opens with its statement of purpose; each block stands with the comment before it. */
function protobufPage(files: readonly (readonly [name: string, text: string])[]): string {
  const sections = files.map(([name, text]) => {
    const [head = "", ...blocks] = text.split(/\n\n(?=(?:\/\/[^\n]*\n)*(?:service|message|enum) )/);
    const purpose = commentOf(head).join("\n");
    const shown = blocks.map((block) => {
      const [, heading = ""] = /^(?:service|message|enum) (\w+)/m.exec(block) ?? [];
      return `### ${heading}\n\n\`\`\`proto\n${block.trim()}\n\`\`\`\n`;
    });
    return [`## ${name}\n\n${purpose}\n`, ...shown].join("\n");
  });
  return [`# gRPC, package \`tidemark.v1\`\n\n${MADE}\n`, ...sections].join("\n");
}

function commentOf(head: string): readonly string[] {
  const lines = head.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  return lines.slice(0, end === -1 ? lines.length : end).map((line) => line.replace(/^\/\/ ?/, ""));
}
