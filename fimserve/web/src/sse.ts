// Server-sent events: bytes of a response to the data of each event. Knows nothing of completions.

export async function* eventData(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let pending = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      pending += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const records = pending.split("\n\n");
      pending = records.pop() ?? "";
      for (const record of records) {
        const data = dataOf(record);
        if (data !== "") yield data;
      }
      if (done) return;
    }
  } finally {
    // Also where the reader stops early: the server then stops computing.
    await reader.cancel().catch(() => undefined);
  }
}

function dataOf(record: string): string {
  return record
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice("data:".length).trimStart())
    .join("\n");
}
