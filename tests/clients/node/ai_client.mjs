// The AI SDK (`ai` with @ai-sdk/openai) against the gateway.

import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, Output, generateText, stepCountIs, streamText, tool } from 'ai';
import { BASE, DENIED, Forecast, GREETING, LIMITED, PARALLEL, PINNED, REFUSED, UNKNOWN, z } from './scenario.mjs';
import { assert, positive, raises, run, runTool } from './scenario.mjs';

const openai = createOpenAI({ baseURL: `${BASE}/v1`, apiKey: 'dummy' });
const prompt = 'What is the weather in Paris?';
const declared = (name, description, inputSchema) =>
  tool({ description, inputSchema, execute: async (input) => JSON.parse(runTool(name, input)) });
const get_weather = declared('get_weather', 'The weather in a city.', z.object({ city: z.string() }));
const get_time = declared('get_time', 'The time in a zone.', z.object({ zone: z.string() }));

// maxRetries 0, because this SDK retries 429 and 5xx even if x-should-retry forbids it.
const request = ({ model = PINNED, ...more } = {}) => ({ model: openai.chat(model), prompt, maxRetries: 0, ...more });
const create = (more) => generateText(request(more));
const streamed = async (more) => {
  let failure;
  const result = streamText({ ...request(more), onError: ({ error }) => (failure = error) });
  let text = '';
  for await (const piece of result.textStream) text += piece;
  if (failure) throw failure;
  const [finishReason, usage, steps] = await Promise.all([result.finishReason, result.totalUsage, result.steps]);
  return { text, finishReason, usage, steps };
};

async function greets(ask) {
  const answer = await ask({ temperature: 0.2 });
  assert.equal(answer.text, GREETING);
  assert.equal(answer.finishReason, 'stop');
  positive(answer.usage.inputTokens, answer.usage.outputTokens);
}

async function useTools(ask, model, tools) {
  const answer = await ask({ model, tools, stopWhen: stepCountIs(4) });
  assert.equal(answer.text, `Hello from ${model}`);
  assert.deepEqual(answer.steps.map((step) => step.finishReason), ['tool-calls', 'stop']);
  assert.deepEqual(answer.steps[0].toolCalls.map((call) => call.toolName), Object.keys(tools));
  assert.equal(answer.steps[0].toolResults.length, Object.keys(tools).length);
}

async function fails(model, status) {
  for (const ask of [create, streamed]) await raises(APICallError, () => ask({ model }), status);
}

await run({
  chat: () => greets(create),
  stream: () => greets(streamed),
  tools: () => useTools(create, PINNED, { get_weather }),
  tools_stream: () => useTools(streamed, PINNED, { get_weather }),

  async parallel_tools() {
    await useTools(create, PARALLEL, { get_weather, get_time });
    await useTools(streamed, PARALLEL, { get_weather, get_time });
  },

  async structured_output() {
    const { output } = await create({ output: Output.object({ schema: Forecast }) });
    Forecast.parse(output);
  },

  async thinking() {
    const answer = await create({ providerOptions: { openai: { reasoningEffort: 'low' } } });
    assert.equal(answer.text, GREETING);
  },

  unknown_model: () => fails(UNKNOWN, 404),
  denied_model: () => fails(DENIED, 403),
  bad_request: () => fails(REFUSED, 400),

  async rate_limited() {
    const error = await raises(APICallError, () => create({ model: LIMITED }), 429);
    assert.equal(error.responseHeaders['x-should-retry'], 'false');
  },
});
