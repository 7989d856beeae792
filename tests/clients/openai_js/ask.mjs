// Asks with the real `openai` package and writes what it saw, one line of JSON per request.
// Usage: node ask.mjs BASE_URL REQUEST...; with "stream" in a request the answer is a list.
import OpenAI from 'openai'

const [baseURL, ...requests] = process.argv.slice(2)
const client = new OpenAI({ baseURL, apiKey: 'unused' }) // with its usual two retries

for (const request of requests.map((text) => JSON.parse(text))) {
  const parts = []
  try {
    const answer = await client.completions.create(request)
    if (request.stream) for await (const part of answer) parts.push(part)
    console.log(JSON.stringify({ answer: request.stream ? parts : answer }))
  } catch (error) {
    const { constructor, status, code, param, message } = error
    console.log(JSON.stringify({ parts, error: { kind: constructor.name, status, code, param, message } }))
  }
}
