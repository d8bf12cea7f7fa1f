"""instructor against the gateway: structured output by schema, over the openai package."""

import instructor
from openai import OpenAI
from scenario import BASE, PINNED, Forecast, run

OPENAI = OpenAI(base_url=f"{BASE}/v1", api_key="dummy")
ASK = dict(model=PINNED, messages=[{"role": "user", "content": "The weather in Paris?"}], response_model=Forecast)


def openai_schema():
    client = instructor.from_openai(OPENAI, mode=instructor.Mode.JSON_SCHEMA)
    assert isinstance(client.chat.completions.create(max_retries=0, **ASK), Forecast)


run(openai_schema)
