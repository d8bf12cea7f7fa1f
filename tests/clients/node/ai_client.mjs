// The AI SDK (`ai`) against the gateway, in the APIs of three vendors.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, Output, generateText, stepCountIs, streamText, tool } from 'ai';
import { BASE, DENIED, Forecast, GREETING, LIMITED, PARALLEL, PINNED } from './scenario.mjs';
import { REFUSED, UNKNOWN, assert, positive, raises, run, runTool, z } from './scenario.mjs';

// It warns that it does not know the limits of the models.
globalThis.AI_SDK_LOG_WARNINGS = false;
const apiKey = 'dummy';
const google = createGoogleGenerativeAI({ baseURL: `${BASE}/v1beta`, apiKey });
// Each vendor's package: a model by its name, and the options for a thinking one.
const APIS = {
  openai: {
    named: createOpenAI({ baseURL: `${BASE}/v1`, apiKey }).chat,
    thinking: { openai: { reasoningEffort: 'low' } },
  },
  anthropic: {
    named: createAnthropic({ baseURL: `${BASE}/v1`, apiKey }),
    thinking: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } },
  },
  google: {
    // Without `models/`, it takes a name with a slash for a path.
    named: (name) => google(`models/${name}`),
    thinking: { google: { thinkingConfig: { thinkingBudget: 1024 } } },
  },
};
const prompt = 'What is the weather in Paris?';
const declared = (name, description, inputSchema) =>
  tool({ description, inputSchema, execute: async (input) => JSON.parse(runTool(name, input)) });
const get_weather = declared('get_weather', 'The weather in a city.', z.object({ city: z.string() }));
const get_time = declared('get_time', 'The time in a zone.', z.object({ zone: z.string() }));

async function collected(request) {
  let failure;
  const result = streamText({ ...request, onError: ({ error }) => (failure = error) });
  let text = '';
  for await (const piece of result.textStream) text += piece;
  if (failure) throw failure;
  const [finishReason, usage, steps] = await Promise.all([result.finishReason, result.totalUsage, result.steps]);
  return { text, finishReason, usage, steps };
}

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

function scenarios({ named, thinking }) {
  // maxRetries 0, because this SDK retries 429 and 5xx even if x-should-retry forbids it.
  const request = ({ model = PINNED, ...more } = {}) => ({ model: named(model), prompt, maxRetries: 0, ...more });
  const create = (more) => generateText(request(more));
  const streamed = (more) => collected(request(more));
  const fails = async (model, status) => {
    for (const ask of [create, streamed]) await raises(APICallError, () => ask({ model }), status);
  };

  return {
    chat: () => greets(create),
    stream: () => greets(streamed),
    tools: () => useTools(create, PINNED, { get_weather }),
    tools_stream: () => useTools(streamed, PINNED, { get_weather }),

    async parallel_tools() {
      await useTools(create, PARALLEL, { get_weather, get_time });
      await useTools(streamed, PARALLEL, { get_weather, get_time });
    },

    async structured_output() {
      // In Anthropic's API and of a model that it does not know as Claude, it demands one call of a tool of its own.
      const { output } = await create({ output: Output.object({ schema: Forecast }) });
      Forecast.parse(output);
    },

    async thinking() {
      const answer = await create({ maxOutputTokens: 4096, providerOptions: thinking });
      assert.equal(answer.text, GREETING);
    },

    unknown_model: () => fails(UNKNOWN, 404),
    denied_model: () => fails(DENIED, 403),
    bad_request: () => fails(REFUSED, 400),
  };
}

const all = {
  async rate_limited() {
    const limited = { model: APIS.openai.named(LIMITED), prompt, maxRetries: 0 };
    const error = await raises(APICallError, () => generateText(limited), 429);
    assert.equal(error.responseHeaders['x-should-retry'], 'false');
  },
};
for (const [api, vendor] of Object.entries(APIS)) {
  for (const [name, body] of Object.entries(scenarios(vendor))) all[`${api}_${name}`] = body;
}
await run(all);
