/**
 * A tar archive of a few small files, in the format of POSIX 1003.1-1988 (ustar): for each a head of 512 bytes and its bytes, filled up
 * to 512; then two empty heads. Owner and group are nobody's.
 */

export interface ArchivedFile {
  /** ASCII, at most 100 characters. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const BLOCK = 512;
const NAME_MAX = 100;

export function tarOf(files: readonly ArchivedFile[], modifiedAtSeconds: number): Buffer {
  const parts = files.flatMap(({ name, bytes }) => [
    headOf(name, bytes.length, modifiedAtSeconds),
    bytes,
    Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function headOf(name: string, size: number, modifiedAtSeconds: number): Buffer {
  if (!/^[\x20-\x7e]+$/.test(name) || name.length > NAME_MAX) throw new RangeError(`${name} is no name in an archive`);
  const head = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void =>
    void head.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
  head.write(name, 0, "latin1");
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(modifiedAtSeconds, 136, 12);
  // The sum is that of the head with blanks in its place.
  head.write(" ".repeat(8), 148, "latin1");
  head.write("0", 156, "latin1");
  head.write("ustar\u000000", 257, "latin1");
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return head;
}
