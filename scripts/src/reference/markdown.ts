/** A table in Markdown, with its final LF; a `|` in a cell is escaped. */
export function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |\n`;
  return line(titles) + `|${titles.map(() => "---|").join("")}\n` + rows.map(line).join("");
}
