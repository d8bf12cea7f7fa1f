// The @google/genai package against the gateway.

import { ApiError, FinishReason, GoogleGenAI } from '@google/genai';
import { BASE, DENIED, Forecast, GREETING, LIMITED, PARALLEL, PINNED, REFUSED, UNKNOWN, z } from './scenario.mjs';
import { TIME_SCHEMA, WEATHER_SCHEMA, assert, positive, raises, run, runTool } from './scenario.mjs';

const client = new GoogleGenAI({ apiKey: 'dummy', httpOptions: { baseUrl: BASE } });
const USER = { role: 'user', parts: [{ text: 'What is the weather in Paris?' }] };
const declared = (name, description, schema) => ({ name, description, parametersJsonSchema: schema });
const WEATHER = declared('get_weather', 'The weather in a city.', WEATHER_SCHEMA);
const TIME = declared('get_time', 'The time in a zone.', TIME_SCHEMA);

const request = ({ tools = [], model = PINNED, contents = [USER], ...config } = {}) => ({
  model,
  contents,
  config: tools.length ? { tools: [{ functionDeclarations: tools }], ...config } : config,
});
const create = async (more) => {
  const answer = await client.models.generateContent(request(more));
  return { last: answer, parts: answer.candidates[0].content.parts };
};
// All parts of a streamed response, as a client that continues the conversation collects them.
const streamed = async (more) => {
  const found = { last: null, parts: [] };
  for await (const chunk of await client.models.generateContentStream(request(more))) {
    found.last = chunk;
    found.parts.push(...(chunk.candidates ?? []).flatMap((candidate) => candidate.content?.parts ?? []));
  }
  return found;
};

const text = ({ parts }) => parts.filter((part) => part.text && !part.thought).map((part) => part.text).join('');
const calls = ({ parts }) => parts.flatMap((part) => (part.functionCall ? [part.functionCall] : []));

// What the next request sends to the model: its own parts unchanged, signatures included, and the result of each call.
function turn(answer) {
  const results = calls(answer).map((call) => ({
    functionResponse: { id: call.id, name: call.name, response: { result: runTool(call.name, call.args) } },
  }));
  return [{ role: 'model', parts: answer.parts }, { role: 'user', parts: results }];
}

async function greets(ask) {
  const answer = await ask({ systemInstruction: 'Be brief.', temperature: 0.2 });
  assert.equal(text(answer), GREETING);
  assert.equal(answer.last.candidates[0].finishReason, FinishReason.STOP);
  const usage = answer.last.usageMetadata;
  positive(usage.promptTokenCount, usage.candidatesTokenCount, usage.totalTokenCount);
}

async function useTools(ask) {
  const tools = [WEATHER];
  const first = await ask({ tools });
  assert.deepEqual(calls(first).map((call) => call.name), ['get_weather']);
  assert.equal(text(await ask({ tools, contents: [USER, ...turn(first)] })), GREETING);
}

// The SDK has one error class; the response's body is its message.
async function fails(model, code, status) {
  for (const ask of [create, streamed]) {
    const error = await raises(ApiError, () => ask({ model }), code);
    assert.equal(JSON.parse(error.message).error.status, status);
    assert.equal(JSON.parse(error.message).error.code, code);
  }
}

await run({
  chat: () => greets(create),
  stream: () => greets(streamed),
  tools: () => useTools(create),
  tools_stream: () => useTools(streamed),

  async parallel_tools() {
    for (const ask of [create, streamed]) {
      const more = { model: PARALLEL, tools: [WEATHER, TIME] };
      const first = await ask(more);
      assert.deepEqual(calls(first).map((call) => call.name), ['get_weather', 'get_time']);
      assert.equal(text(await ask({ ...more, contents: [USER, ...turn(first)] })), `Hello from ${PARALLEL}`);
    }
  },

  async structured_output() {
    const schema = z.toJSONSchema(Forecast);
    const answer = await create({ responseMimeType: 'application/json', responseJsonSchema: schema });
    Forecast.parse(JSON.parse(text(answer)));
  },

  async thinking() {
    const thinkingConfig = { thinkingBudget: 1024, includeThoughts: true };
    assert.equal(text(await create({ thinkingConfig })), GREETING);
  },

  unknown_model: () => fails(UNKNOWN, 404, 'NOT_FOUND'),
  denied_model: () => fails(DENIED, 403, 'PERMISSION_DENIED'),
  bad_request: () => fails(REFUSED, 400, 'INVALID_ARGUMENT'),

  async rate_limited() {
    const error = await raises(ApiError, () => create({ model: LIMITED }), 429);
    assert.equal(JSON.parse(error.message).error.status, 'RESOURCE_EXHAUSTED');
  },

  async list_models() {
    const names = [];
    for await (const model of await client.models.list()) names.push(model.name);
    assert.ok(names.includes(`models/${PINNED}`), names.join());
  },
});
