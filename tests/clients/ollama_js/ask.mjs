// Does with the real `ollama` package what a test asks for, and writes what it saw as JSON.
// Usage: node ask.mjs URL METHOD REQUEST; a `stream` in the request makes the answer a list.
import { Ollama } from 'ollama'

const [url, method, request] = process.argv.slice(2)
const client = new Ollama({ host: url })

try {
  const answer = await client[method](JSON.parse(request))
  const seen = []
  if (Symbol.asyncIterator in answer) {
    for await (const part of answer) seen.push(part)
  }
  console.log(JSON.stringify({ answer: seen.length > 0 ? seen : answer }))
} catch (error) {
  const { name, message, status_code } = error
  console.log(JSON.stringify({ error: { name, message, status_code } }))
}
