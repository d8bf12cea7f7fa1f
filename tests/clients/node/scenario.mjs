// Shared by the Node client programs: the names that they request, and their report.
//
// A program runs as `PROGRAM BASE PROVIDER MODEL`, runs every scenario that it declares in order, and prints one JSON
// line for each: {"scenario": NAME, "error": null or the stack}. BASE has no /v1.

import assert from 'node:assert/strict';
import { z } from 'zod';

export { assert, z };
export const [BASE, PROVIDER, MODEL] = process.argv.slice(2);

// ../policy has the providers.
export const PINNED = `${PROVIDER}/${MODEL}`;
export const PARALLEL = `${PROVIDER}-parallel/${MODEL}`;
export const LIMITED = `limited-${PROVIDER}`; // two providers serve it, and both answer 429
export const REFUSED = `${PROVIDER}/refused`; // the provider itself answers 400
export const DENIED = `${PROVIDER}/denied-model`;
export const UNKNOWN = 'no-such-model';

export const GREETING = `Hello from ${PINNED}`;

const parameters = (name, description) => ({
  type: 'object',
  properties: { [name]: { type: 'string', description } },
  required: [name],
  additionalProperties: false,
});
export const WEATHER_SCHEMA = parameters('city', 'where');
export const TIME_SCHEMA = parameters('zone', 'an IANA time zone');

// The schema of structured output.
export const Forecast = z.object({
  city: z.string(),
  degrees: z.int(),
  sky: z.enum(['clear', 'cloudy']),
  hours: z.array(z.int()),
});

// The tools of these tests. They fail on any call that the policy's mock does not make.
export function runTool(name, args) {
  if (name === 'get_weather') {
    assert.deepEqual(args, { city: 'Paris' });
    return JSON.stringify({ degrees: 18 });
  }
  assert.equal(name, 'get_time');
  assert.deepEqual(args, { zone: 'Europe/Paris' });
  return JSON.stringify({ time: '12:00' });
}

export function positive(...counts) {
  for (const count of counts) assert.ok(Number.isInteger(count) && count > 0, `no token count: ${counts}`);
}

// The error, which must have exactly the SDK's class for it.
export async function raises(kind, call, status) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.constructor, kind, error.stack);
    assert.equal(error.status ?? error.statusCode, status, error.message);
    assert.ok(error.message);
    return error;
  }
  assert.fail(`no ${kind.name}`);
}

export async function run(scenarios) {
  for (const [scenario, body] of Object.entries(scenarios)) {
    let error = null;
    try {
      await body();
    } catch (thrown) {
      error = thrown?.stack ?? String(thrown);
    }
    console.log(JSON.stringify({ scenario, error }));
  }
}
