/**
 * Native CRC-32C and codecs in the place of the JavaScript ones of @tidemark/proto: same formats, same verdicts, faster.
 * gzip is not here, node:zlib has it; nor is zstd where node:zlib has that too.
 *
 * Invariants: a codec's module is loaded when the codec is first used, so that the start does not pay for it, and where
 * it does not load the JavaScript codec does the work. No native decoder runs before the frame's own headers have shown
 * that the output stays within the limit (client-and-cli 7.0). What a native decoder refuses is judged again by the
 * JavaScript one, which knows every legal form of a frame and names the fault.
 *
 * One thread only: the zstd binding keeps one context for the whole process.
 */
import { createRequire } from "node:module";
import * as zlib from "node:zlib";
import {
  type Codec,
  lz4Codec,
  lz4UncompressedBound,
  ProtoError,
  registerCodec,
  registerCrc32c,
  SnappyBlockCursor,
  snappyCodec,
  snappyUncompressedBound,
  XERIAL_HEADER,
  zstdCodec,
  zstdUncompressedBound,
} from "@tidemark/proto";

/** Loads a module synchronously or throws. */
export type LoadModule = (specifier: string) => unknown;

/** One part that can run native: which package does it, and if none could, why. */
export interface NativePart {
  readonly name: "crc32c" | "snappy" | "lz4" | "zstd";
  readonly package: string;
  readonly isNative: boolean;
  /** Why the JavaScript implementation runs; null where the native one does. */
  readonly reason: string | null;
}

interface Crc32Module {
  readonly crc32c: (bytes: Uint8Array) => number;
}
interface SnappyModule {
  compressSync(bytes: Buffer, options: { copyOutputData: boolean }): Buffer;
  uncompressSync(bytes: Buffer, options: { copyOutputData: boolean }): Buffer;
}
interface Lz4Module {
  compressFrameSync(bytes: Buffer): Buffer;
  decompressFrameSync(bytes: Buffer): Buffer;
}
interface ZstdModule {
  compress(bytes: Uint8Array): Buffer;
  decompress(bytes: Uint8Array): Buffer;
}

const CRC32_PACKAGE = "@node-rs/crc32";
const SNAPPY_PACKAGE = "snappy";
const LZ4_PACKAGE = "lz4-napi";
/** The entry without the WASM fallback, which could not be loaded synchronously. */
const ZSTD_PACKAGE = "@cloudpss/zstd/napi";

/** Snappy finds no match farther back than this, so larger blocks would gain nothing. */
const SNAPPY_BLOCK_BYTES = 65_536;
/** Copying the result costs less than having the collector hear of memory it does not own (measured: 2 times at 128 KiB). */
const SNAPPY_OPTIONS = { copyOutputData: true };

const requireModule: LoadModule = createRequire(import.meta.url);

/** Puts the native CRC-32C in place, loading it now; answers whether it did. */
export function registerNativeCrc32c(load: LoadModule = requireModule): NativePart {
  const found = tryLoad<Crc32Module>(load, CRC32_PACKAGE);
  if (!found.ok) return { name: "crc32c", package: CRC32_PACKAGE, isNative: false, reason: found.reason };
  const { crc32c } = found.module;
  // The check value of the catalogue of CRCs: an implementation that is merely there does not do.
  if (crc32c(Buffer.from("123456789")) !== 0xe3069283) {
    return { name: "crc32c", package: CRC32_PACKAGE, isNative: false, reason: "it computes wrong checksums" };
  }
  registerCrc32c((bytes) => crc32c(bytes));
  return { name: "crc32c", package: CRC32_PACKAGE, isNative: true, reason: null };
}

/** Puts the native snappy, lz4 and zstd in place. Loads nothing: each codec does that when it is first used. */
export function registerNativeCodecs(load: LoadModule = requireModule): void {
  for (const codec of createNativeCodecs(load)) registerCodec(codec);
}

/** The native codecs, each falling back to the JavaScript one where its module does not load. */
export function createNativeCodecs(load: LoadModule = requireModule): Codec[] {
  const codecs = [
    lazyCodec<SnappyModule>(load, SNAPPY_PACKAGE, snappyCodec, nativeSnappy),
    lazyCodec<Lz4Module>(load, LZ4_PACKAGE, lz4Codec, nativeLz4),
  ];
  if (!hasNodeZstd()) codecs.push(lazyCodec<ZstdModule>(load, ZSTD_PACKAGE, zstdCodec, nativeZstd));
  return codecs;
}

/** Which parts run native in this process. Loads every module to find out: for people who ask, not for the start. */
export function probeNativeParts(load: LoadModule = requireModule): readonly NativePart[] {
  const probe = (name: NativePart["name"], specifier: string): NativePart => {
    const found = tryLoad(load, specifier);
    return { name, package: specifier, isNative: found.ok, reason: found.ok ? null : found.reason };
  };
  return [
    probe("crc32c", CRC32_PACKAGE),
    probe("snappy", SNAPPY_PACKAGE),
    probe("lz4", LZ4_PACKAGE),
    hasNodeZstd() ? { name: "zstd", package: "node:zlib", isNative: true, reason: null } : probe("zstd", ZSTD_PACKAGE),
  ];
}

function nativeSnappy(snappy: SnappyModule): Codec {
  return {
    name: "snappy",
    compress(bytes) {
      const input = asBuffer(bytes);
      const parts: Buffer[] = [XERIAL_HEADER];
      for (let from = 0; from < input.length; from += SNAPPY_BLOCK_BYTES) {
        const block = snappy.compressSync(input.subarray(from, from + SNAPPY_BLOCK_BYTES), SNAPPY_OPTIONS);
        const size = Buffer.allocUnsafe(4);
        size.writeUInt32BE(block.length);
        parts.push(size, block);
      }
      return Buffer.concat(parts);
    },
    decompress(bytes, maxBytes) {
      snappyUncompressedBound(bytes, maxBytes);
      const input = asBuffer(bytes);
      const cursor = new SnappyBlockCursor(input);
      const parts: Buffer[] = [];
      while (cursor.next()) {
        parts.push(snappy.uncompressSync(input.subarray(cursor.blockStart, cursor.blockEnd), SNAPPY_OPTIONS));
      }
      return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    },
  };
}

function nativeLz4(lz4: Lz4Module): Codec {
  return {
    name: "lz4",
    compress: (bytes) => lz4.compressFrameSync(asBuffer(bytes)),
    decompress(bytes, maxBytes) {
      lz4UncompressedBound(bytes, maxBytes);
      return lz4.decompressFrameSync(asBuffer(bytes));
    },
  };
}

function nativeZstd(zstd: ZstdModule): Codec {
  return {
    name: "zstd",
    compress: (bytes) => zstd.compress(bytes),
    decompress(bytes, maxBytes) {
      zstdUncompressedBound(bytes, maxBytes);
      try {
        return zstd.decompress(bytes);
      } catch (error: unknown) {
        // There is no second decoder to ask: zstd exists natively or not at all.
        throw new ProtoError("CORRUPT_MESSAGE", `malformed zstd data: ${messageOf(error)}`);
      }
    },
  };
}

/** A codec whose module is loaded when it is first used. `fallback` works where that fails, and judges what it refuses. */
function lazyCodec<Module>(
  load: LoadModule,
  specifier: string,
  fallback: Codec,
  make: (module: Module) => Codec,
): Codec {
  let chosen: Codec | null = null;
  const choose = (): Codec => {
    const found = tryLoad<Module>(load, specifier);
    chosen = found.ok ? make(found.module) : fallback;
    return chosen;
  };
  return {
    name: fallback.name,
    compress: (bytes) => (chosen ?? choose()).compress(bytes),
    decompress(bytes, maxBytes) {
      try {
        return (chosen ?? choose()).decompress(bytes, maxBytes);
      } catch (error: unknown) {
        if (error instanceof ProtoError) throw error;
        return fallback.decompress(bytes, maxBytes);
      }
    },
  };
}

function tryLoad<Module>(
  load: LoadModule,
  specifier: string,
): { ok: true; module: Module } | { ok: false; reason: string } {
  try {
    return { ok: true, module: load(specifier) as Module };
  } catch (error: unknown) {
    return { ok: false, reason: messageOf(error) };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** node:zlib has zstd from Node 22.15 on; the codec of @tidemark/proto then already is the native one. */
function hasNodeZstd(): boolean {
  return "zstdCompressSync" in zlib;
}

/** The same memory as a Buffer: what the bindings take. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
