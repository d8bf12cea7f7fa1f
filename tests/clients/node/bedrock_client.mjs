// The @aws-sdk/client-bedrock-runtime package against the gateway. It speaks HTTP/2 in clear text, by prior knowledge.

import {
  AccessDeniedException, BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelCommand,
  InvokeModelWithResponseStreamCommand, ResourceNotFoundException, ThrottlingException, ValidationException,
} from '@aws-sdk/client-bedrock-runtime';
import { BASE, DENIED, Forecast, GREETING, LIMITED, PARALLEL, PINNED, REFUSED, UNKNOWN, z } from './scenario.mjs';
import { TIME_SCHEMA, WEATHER_SCHEMA, assert, positive, run, runTool } from './scenario.mjs';

const client = new BedrockRuntimeClient({
  endpoint: BASE,
  region: 'eu-central-1',
  credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'dummy', sessionToken: 'dummy' },
  // It would ask again, whatever the answer says. The gateway has done that.
  maxAttempts: 1,
});
assert.equal(client.config.requestHandler.metadata.handlerProtocol, 'h2');
const USER = { role: 'user', content: [{ text: 'What is the weather in Paris?' }] };
const tool = (name, description, json) => ({ toolSpec: { name, description, inputSchema: { json } } });
const WEATHER = tool('get_weather', 'The weather in a city.', WEATHER_SCHEMA);
const TIME = tool('get_time', 'The time in a zone.', TIME_SCHEMA);

const request = ({ tools, ...more } = {}) => ({
  modelId: PINNED,
  messages: [USER],
  ...(tools && { toolConfig: { tools } }),
  ...more,
});
const create = (more) => client.send(new ConverseCommand(request(more)));

// A streamed answer, in the form of a whole one.
async function streamed(more) {
  const blocks = [];
  const answer = {};
  const { stream } = await client.send(new ConverseStreamCommand(request(more)));
  for await (const { contentBlockStart, contentBlockDelta, messageStop, metadata } of stream) {
    if (contentBlockStart) {
      const { toolUse } = contentBlockStart.start;
      blocks[contentBlockStart.contentBlockIndex] = { toolUse: { ...toolUse, input: '' } };
    } else if (contentBlockDelta) {
      const { delta, contentBlockIndex } = contentBlockDelta;
      const block = (blocks[contentBlockIndex] ??= {});
      if (delta.text !== undefined) block.text = (block.text ?? '') + delta.text;
      else if (delta.toolUse) block.toolUse.input += delta.toolUse.input;
    } else if (messageStop) {
      answer.stopReason = messageStop.stopReason;
    } else if (metadata) {
      answer.usage = metadata.usage;
    }
  }
  for (const { toolUse } of blocks) if (toolUse) toolUse.input = JSON.parse(toolUse.input || '{}');
  const content = blocks.filter((block) => Object.keys(block).length > 0);
  return { ...answer, output: { message: { role: 'assistant', content } } };
}

const text = (answer) => answer.output.message.content.map((block) => block.text ?? '').join('');
const calls = (answer) => answer.output.message.content.flatMap((block) => block.toolUse ?? []);

// What the next request sends to the model: its own turn unchanged, and the result of each call.
function turn(answer) {
  assert.equal(new Set(calls(answer).map((call) => call.toolUseId)).size, calls(answer).length);
  const results = calls(answer).map(({ toolUseId, name, input }) => ({
    toolResult: { toolUseId, content: [{ json: JSON.parse(runTool(name, input)) }] },
  }));
  return [answer.output.message, { role: 'user', content: results }];
}

async function greets(ask) {
  const inferenceConfig = { maxTokens: 64, temperature: 0.2, stopSequences: ['END'] };
  const answer = await ask({ system: [{ text: 'Be brief.' }], inferenceConfig });
  assert.equal(text(answer), GREETING);
  assert.equal(answer.stopReason, 'end_turn');
  positive(answer.usage.inputTokens, answer.usage.outputTokens, answer.usage.totalTokens);
}

async function useTools(ask, modelId, tools) {
  const first = await ask({ modelId, tools });
  assert.equal(first.stopReason, 'tool_use');
  assert.deepEqual(calls(first).map((call) => call.name), tools.map((one) => one.toolSpec.name));
  assert.equal(text(await ask({ modelId, tools, messages: [USER, ...turn(first)] })), `Hello from ${modelId}`);
}

const claude = () => ({
  modelId: PINNED,
  contentType: 'application/json',
  body: JSON.stringify({
    anthropic_version: 'bedrock-2023-05-31',
    max_tokens: 64,
    messages: [{ role: 'user', content: 'Hello' }],
  }),
});

// The error, which must have the class that the SDK's model of the service has for it.
async function raises(kind, call, status) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.constructor, kind, error.stack);
    assert.equal(error.$metadata.httpStatusCode, status, error.message);
    assert.ok(error.$metadata.requestId, 'no request id');
    assert.ok(error.message);
    return error;
  }
  assert.fail(`no ${kind.name}`);
}

await run({
  chat: () => greets(create),
  stream: () => greets(streamed),
  tools: () => useTools(create, PINNED, [WEATHER]),
  tools_stream: () => useTools(streamed, PINNED, [WEATHER]),

  async parallel_tools() {
    for (const ask of [create, streamed]) await useTools(ask, PARALLEL, [WEATHER, TIME]);
  },

  async structured_output() {
    const jsonSchema = { name: 'forecast', schema: JSON.stringify(z.toJSONSchema(Forecast)) };
    const answer = await create({ outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema } } } });
    Forecast.parse(JSON.parse(text(answer)));
  },

  async thinking() {
    const additionalModelRequestFields = { thinking: { type: 'enabled', budget_tokens: 1024 } };
    const answer = await create({ inferenceConfig: { maxTokens: 4096 }, additionalModelRequestFields });
    assert.equal(text(answer), GREETING);
  },

  async invoke_model() {
    const answer = await client.send(new InvokeModelCommand(claude()));
    const message = JSON.parse(answer.body.transformToString());
    assert.deepEqual(message.content.map((block) => block.text), [GREETING]);
    assert.equal(message.stop_reason, 'end_turn');
  },

  async invoke_model_stream() {
    const answer = await client.send(new InvokeModelWithResponseStreamCommand(claude()));
    const events = [];
    for await (const { chunk } of answer.body) events.push(JSON.parse(new TextDecoder().decode(chunk.bytes)));
    assert.equal(events[0].type, 'message_start');
    assert.equal(events.at(-1).type, 'message_stop');
    const said = events.filter((event) => event.type === 'content_block_delta').map((event) => event.delta.text);
    assert.equal(said.join(''), GREETING);
  },

  async unknown_model() {
    for (const ask of [create, streamed]) {
      const error = await raises(ResourceNotFoundException, () => ask({ modelId: UNKNOWN }), 404);
      assert.match(error.message, new RegExp(UNKNOWN));
    }
  },

  async denied_model() {
    const error = await raises(AccessDeniedException, () => create({ modelId: DENIED }), 403);
    assert.match(error.message, /denied-model/);
  },

  async bad_request() {
    for (const ask of [create, streamed]) await raises(ValidationException, () => ask({ modelId: REFUSED }), 400);
  },

  rate_limited: () => raises(ThrottlingException, () => create({ modelId: LIMITED }), 429),
});
