// Asks with the real `@mistralai/mistralai` package and writes what it saw, one line of JSON per
// request. Usage: node ask.mjs URL REQUEST...; with "stream" in a request the answer is a list.
import { Mistral } from '@mistralai/mistralai'

const [serverURL, ...requests] = process.argv.slice(2)
const client = new Mistral({ serverURL, apiKey: 'unused' })

for (const { stream, ...request } of requests.map((text) => JSON.parse(text))) {
  const parts = []
  try {
    const answer = await (stream ? client.fim.stream(request) : client.fim.complete(request))
    if (stream) for await (const event of answer) parts.push(event.data)
    console.log(JSON.stringify({ answer: stream ? parts : answer }))
  } catch (error) {
    const { constructor, statusCode, message } = error
    console.log(JSON.stringify({ parts, error: { kind: constructor.name, statusCode, message } }))
  }
}
