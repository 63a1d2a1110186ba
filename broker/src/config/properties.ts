/**
 * Java's properties text, as `server.properties` and `meta.properties` are written in it: `key=value`, `key: value` or
 * `key value` a line, `#` and `!` comments, a `\` at the end of a line continues it, `\t \n \r \f \uXXXX` and `\` before
 * any other character are escapes. (java.util.Properties.load; the encoding is UTF-8 here.)
 */

export interface Property {
  readonly key: string;
  readonly value: string;
  /** 1-based number of the line that it starts on. */
  readonly line: number;
}

/** All properties in order; a key that stands twice is listed twice. Throws SyntaxError naming the line of a bad escape. */
export function parseProperties(text: string): Property[] {
  const properties: Property[] = [];
  for (const { line, content } of logicalLines(text)) {
    const split = splitAtSeparator(content);
    properties.push({ key: unescape(split.key, line), value: unescape(split.value, line), line });
  }
  return properties;
}

/** The text of a property, such that parsing it gives key and value back. */
export function formatProperty(key: string, value: string): string {
  const keyText = key.replace(/[\\ =:#!]/g, "\\$&");
  const valueText = value.replace(/\\/g, "\\\\").replace(/^ /, "\\ ");
  return `${escapeControls(keyText)}=${escapeControls(valueText)}`;
}

function escapeControls(text: string): string {
  return text.replace(/[\t\n\r\f]/g, (control) => controlEscapes[control] ?? control);
}

const controlEscapes: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f" };

/** Lines with their continuations joined, without comments and empty ones. */
function* logicalLines(text: string): Generator<{ line: number; content: string }> {
  const lines = text.split(/\r\n|\n|\r/);
  for (let slot = 0; slot < lines.length; slot++) {
    const line = slot + 1;
    let content = trimStart(lines[slot] ?? "");
    if (content === "" || content.startsWith("#") || content.startsWith("!")) continue;
    while (isContinued(content) && slot + 1 < lines.length) {
      slot++;
      content = content.slice(0, -1) + trimStart(lines[slot] ?? "");
    }
    if (isContinued(content)) content = content.slice(0, -1);
    yield { line, content };
  }
}

function trimStart(line: string): string {
  return line.replace(/^[ \t\f]+/, "");
}

/** An odd number of backslashes at the end: the last one is not itself escaped. */
function isContinued(line: string): boolean {
  const run = /\\+$/.exec(line);
  return run !== null && run[0].length % 2 === 1;
}

function splitAtSeparator(content: string): { key: string; value: string } {
  let end = 0;
  while (end < content.length && !/[=: \t\f]/.test(content.charAt(end))) end += content.charAt(end) === "\\" ? 2 : 1;
  const rest = content.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, "");
  return { key: content.slice(0, end), value: rest };
}

const escapes: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

function unescape(text: string, line: number): string {
  return text.replace(/\\(u.{0,4}|.|$)/gsu, (_, escaped: string) => {
    if (!escaped.startsWith("u")) return escapes[escaped] ?? escaped;
    if (!/^u[0-9a-fA-F]{4}$/.test(escaped))
      throw new SyntaxError(`line ${line}: \\${escaped} is not \\u and four hex digits`);
    return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  });
}
