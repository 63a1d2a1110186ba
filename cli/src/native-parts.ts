/**
 * Native codecs and CRC-32C for the commands that move or read records: the SDK itself has no native code, and on Node
 * before 22.15 no zstd. Each codec's module is loaded when a batch first asks for it.
 */
export async function useNativeParts(): Promise<void> {
  const { registerNativeCodecs, registerNativeCrc32c } = await import("@tidemark/broker/platform");
  registerNativeCodecs();
  registerNativeCrc32c();
}
