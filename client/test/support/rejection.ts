/** What a promise rejects with; fails the test when it does not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error: unknown) {
    return error;
  }
  throw new Error(`it was to reject, and resolved with ${JSON.stringify(value)}`);
}
