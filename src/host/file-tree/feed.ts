/** Bytes into a decoder of archives, at its pace. Never rejects before it is awaited: the reader sees the same error through the decoder. */
export function feed(bytes: AsyncIterable<Uint8Array>, writable: WritableStream<Uint8Array>): Promise<void> {
  const done = (async () => {
    const writer = writable.getWriter();
    try {
      for await (const chunk of bytes) await writer.write(chunk);
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => {});
      throw error;
    }
  })();
  done.catch(() => {});
  return done;
}
