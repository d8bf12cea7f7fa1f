// The openai package against the gateway.

import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { BASE, DENIED, Forecast, GREETING, LIMITED, PARALLEL, PINNED, PROVIDER, REFUSED, UNKNOWN } from './scenario.mjs';
import { TIME_SCHEMA, WEATHER_SCHEMA, assert, positive, raises, run, runTool } from './scenario.mjs';

const client = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: 'dummy' });
const USER = { role: 'user', content: 'What is the weather in Paris?' };
const tool = (name, description, parameters) => ({ type: 'function', function: { name, description, parameters } });
const WEATHER = tool('get_weather', 'The weather in a city.', WEATHER_SCHEMA);
const TIME = tool('get_time', 'The time in a zone.', TIME_SCHEMA);
const FORMAT = zodResponseFormat(Forecast, 'forecast');

const create = (more) => client.chat.completions.create({ model: PINNED, messages: [USER], ...more });
const streamed = (more) =>
  client.chat.completions.stream({ model: PINNED, messages: [USER], ...more }).finalChatCompletion();

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const text = (chunks) => chunks.flatMap((chunk) => chunk.choices.map((c) => c.delta.content ?? '')).join('');

function results(message) {
  assert.equal(new Set(message.tool_calls.map((call) => call.id)).size, message.tool_calls.length);
  return message.tool_calls.map((call) => ({
    role: 'tool',
    tool_call_id: call.id,
    content: runTool(call.function.name, JSON.parse(call.function.arguments)),
  }));
}

async function useTools(ask) {
  const tools = [WEATHER];
  const [first] = (await ask({ tools })).choices;
  assert.equal(first.finish_reason, 'tool_calls');
  const last = await ask({ tools, messages: [USER, first.message, ...results(first.message)] });
  assert.equal(last.choices[0].message.content, GREETING);
}

await run({
  async chat() {
    const answer = await create({ temperature: 0.2, max_tokens: 64 });
    assert.equal(answer.choices[0].message.content, GREETING);
    assert.equal(answer.choices[0].finish_reason, 'stop');
    positive(answer.usage.prompt_tokens, answer.usage.completion_tokens);
    assert.equal(answer.extra_fields.provider, PROVIDER);
  },

  async stream() {
    const chunks = await collect(await create({ stream: true, stream_options: { include_usage: true } }));
    assert.equal(text(chunks), GREETING);
    const usages = chunks.filter((chunk) => chunk.usage).map((chunk) => chunk.usage);
    assert.equal(usages.length, 1);
    positive(usages[0].prompt_tokens, usages[0].completion_tokens);
  },

  // The gateway requests usage for itself. The caller did not, and must not see the extra chunk.
  async stream_without_usage() {
    const chunks = await collect(await create({ stream: true }));
    assert.equal(text(chunks), GREETING);
    assert.ok(chunks.every((chunk) => chunk.choices.length > 0), JSON.stringify(chunks));
  },

  tools: () => useTools(create),
  tools_stream: () => useTools(streamed),

  async parallel_tools() {
    for (const send of [create, streamed]) {
      const more = { model: PARALLEL, tools: [WEATHER, TIME], parallel_tool_calls: true };
      const { message } = (await send(more)).choices[0];
      assert.deepEqual(message.tool_calls.map((call) => call.function.name), ['get_weather', 'get_time']);
      const last = await send({ ...more, messages: [USER, message, ...results(message)] });
      assert.equal(last.choices[0].message.content, `Hello from ${PARALLEL}`);
    }
  },

  async structured_output() {
    const request = { model: PINNED, messages: [USER], response_format: FORMAT };
    const { message } = (await client.chat.completions.parse(request)).choices[0];
    Forecast.parse(message.parsed);
    // Fields that the helper adds to a message are sent too, and must not cause a refusal of the next turn.
    const answer = await create({ messages: [USER, message, USER] });
    assert.equal(answer.choices[0].message.content, GREETING);
  },

  async structured_output_stream() {
    Forecast.parse((await streamed({ response_format: FORMAT })).choices[0].message.parsed);
  },

  async thinking() {
    const answer = await create({ reasoning_effort: 'low', max_completion_tokens: 4096 });
    assert.equal(answer.choices[0].message.content, GREETING);
  },

  async unknown_model() {
    const error = await raises(OpenAI.NotFoundError, () => create({ model: UNKNOWN }), 404);
    assert.match(error.message, new RegExp(UNKNOWN));
  },

  async denied_model() {
    const error = await raises(OpenAI.PermissionDeniedError, () => create({ model: DENIED }), 403);
    assert.match(error.message, /denied-model/);
  },

  async bad_request() {
    await raises(OpenAI.BadRequestError, () => create({ model: REFUSED }), 400);
    await raises(OpenAI.BadRequestError, () => create({ model: REFUSED, stream: true }), 400);
  },

  async rate_limited() {
    const error = await raises(OpenAI.RateLimitError, () => create({ model: LIMITED }), 429);
    assert.equal(error.headers.get('x-should-retry'), 'false');
    assert.ok(error.requestID, 'no request id');
  },

  async list_models() {
    const models = await collect(client.models.list());
    assert.ok(models.some((model) => model.id === PINNED), JSON.stringify(models));
  },
});
