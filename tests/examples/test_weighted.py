"""examples/weighted: shares match the weights."""

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import REPOSITORY, Gateway, free_port

EXAMPLE = REPOSITORY / "examples" / "weighted"
REQUESTS = 600
# Six standard deviations of a binomial of 600: at 80 % and at 50 %. A correct draw fails once in 500 million runs.
FAR = {0.8: 59, 0.5: 74}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    # The provider `accounts` calls the gateway's own port, which is a free one here.
    folder = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("weighted") / "objects")
    port = free_port()
    providers = folder / "providers.yaml"
    assert providers.read_text().count("127.0.0.1:4180") == 1
    providers.write_text(providers.read_text().replace("127.0.0.1:4180", f"127.0.0.1:{port}"))
    with Gateway(folder, port=port) as gateway:
        yield gateway


def ask(gateway, model, number):
    with ThreadPoolExecutor(8) as several:
        return list(several.map(lambda _: gateway.chat(model), range(number)))


def test_four_of_five_go_to_the_first(gateway):
    answers = ask(gateway, "gpt-4o-mini", REQUESTS)
    assert {status for status, _, _ in answers} == {200}
    shares = Counter(answer["choices"][0]["message"]["content"] for _, _, answer in answers)
    assert set(shares) == {"Hello from first.", "Hello from second."}
    assert abs(shares["Hello from first."] - 0.8 * REQUESTS) <= FAR[0.8], shares


def test_two_accounts_have_half_each(gateway):
    # Each causes two decisions, and the gateway keeps the last thousand.
    number = 300
    answers = ask(gateway, "gpt-4o", number)
    assert {(status, headers["x-outrigger-provider"]) for status, headers, _ in answers} == {(200, "accounts")}
    used = Counter(
        attempt["credential"]
        for decision in gateway.decisions(2 * number)
        for attempt in decision["attempts"]
        if decision["provider"] == "accounts"
    )
    assert set(used) == {"one", "two"} and used.total() == number
    # Six standard deviations again, of 300.
    assert abs(used["one"] - number / 2) <= 52, used
