// The @anthropic-ai/sdk package against the gateway.

import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { BASE, DENIED, Forecast, GREETING, LIMITED, PARALLEL, PINNED, REFUSED, UNKNOWN } from './scenario.mjs';
import { TIME_SCHEMA, WEATHER_SCHEMA, assert, positive, raises, run, runTool } from './scenario.mjs';

const client = new Anthropic({ baseURL: BASE, apiKey: 'dummy' });
const USER = { role: 'user', content: 'What is the weather in Paris?' };
const WEATHER = { name: 'get_weather', description: 'The weather in a city.', input_schema: WEATHER_SCHEMA };
const TIME = { name: 'get_time', description: 'The time in a zone.', input_schema: TIME_SCHEMA };

const request = (more) => ({ model: PINNED, max_tokens: 1024, messages: [USER], ...more });
const create = (more) => client.messages.create(request(more));
const streamed = (more) => client.messages.stream(request(more)).finalMessage();

const text = (message) => message.content.filter((b) => b.type === 'text').map((b) => b.text).join('');
const calls = (message) => message.content.filter((block) => block.type === 'tool_use');

// What the next request sends to the model: its own turn unchanged, and the result of each call.
function turn(message) {
  assert.equal(new Set(calls(message).map((call) => call.id)).size, calls(message).length);
  const results = calls(message).map((call) => ({
    type: 'tool_result',
    tool_use_id: call.id,
    content: runTool(call.name, call.input),
  }));
  return [{ role: 'assistant', content: message.content }, { role: 'user', content: results }];
}

async function useTools(ask) {
  const tools = [WEATHER];
  const first = await ask({ tools });
  assert.equal(first.stop_reason, 'tool_use');
  assert.equal(text(await ask({ tools, messages: [USER, ...turn(first)] })), GREETING);
}

await run({
  async chat() {
    const answer = await create({ system: 'Be brief.', temperature: 0.2 });
    assert.equal(text(answer), GREETING);
    assert.equal(answer.stop_reason, 'end_turn');
    positive(answer.usage.input_tokens, answer.usage.output_tokens);
  },

  async stream() {
    const pieces = [];
    const stream = client.messages.stream(request()).on('text', (piece) => pieces.push(piece));
    const answer = await stream.finalMessage();
    assert.equal(pieces.join(''), GREETING);
    assert.equal(answer.stop_reason, 'end_turn');
    positive(answer.usage.input_tokens, answer.usage.output_tokens);
  },

  tools: () => useTools(create),
  tools_stream: () => useTools(streamed),

  async parallel_tools() {
    for (const ask of [create, streamed]) {
      const more = { model: PARALLEL, tools: [WEATHER, TIME] };
      const first = await ask(more);
      assert.deepEqual(calls(first).map((call) => call.name), ['get_weather', 'get_time']);
      assert.equal(text(await ask({ ...more, messages: [USER, ...turn(first)] })), `Hello from ${PARALLEL}`);
    }
  },

  async structured_output() {
    const answer = await client.messages.parse(request({ output_config: { format: zodOutputFormat(Forecast) } }));
    Forecast.parse(answer.parsed_output);
    // Fields that the helper adds to a block are sent too, and must not cause a refusal of the next turn.
    const next = await create({ messages: [USER, { role: 'assistant', content: answer.content }, USER] });
    assert.equal(text(next), GREETING);
  },

  async thinking() {
    const enabled = { max_tokens: 4096, thinking: { type: 'enabled', budget_tokens: 1024 } };
    assert.equal(text(await create(enabled)), GREETING);
    const adaptive = { max_tokens: 4096, thinking: { type: 'adaptive' }, output_config: { effort: 'low' } };
    assert.equal(text(await create(adaptive)), GREETING);
  },

  async unknown_model() {
    const error = await raises(Anthropic.NotFoundError, () => create({ model: UNKNOWN }), 404);
    assert.match(error.message, new RegExp(UNKNOWN));
  },

  async denied_model() {
    const error = await raises(Anthropic.PermissionDeniedError, () => create({ model: DENIED }), 403);
    assert.match(error.message, /denied-model/);
  },

  async bad_request() {
    await raises(Anthropic.BadRequestError, () => create({ model: REFUSED }), 400);
    await raises(Anthropic.BadRequestError, () => create({ model: REFUSED, stream: true }), 400);
  },

  async rate_limited() {
    const error = await raises(Anthropic.RateLimitError, () => create({ model: LIMITED }), 429);
    assert.equal(error.headers.get('x-should-retry'), 'false');
    assert.equal(error.error.type, 'error');
    assert.ok(error.requestID, 'no request id');
  },

  async list_models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes(PINNED), ids.join());
  },
});
