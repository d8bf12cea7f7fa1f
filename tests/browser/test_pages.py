"""Web pages in Chromium: foreign pages are blocked, and an allowed application's page works."""

from pathlib import Path

from browser import Pages, Rebinding, visiting
from gateway import Gateway

SDK = Path(__file__).parent.parent / "clients/node/node_modules/openai"


def served(gateway):
    """The number of requests that the gateway has answered so far."""
    total = 0
    for line in gateway.get("/metrics").splitlines():
        if line.startswith(("outrigger_requests_total", "outrigger_tokens_total")):
            total += float(line.rsplit(" ", 1)[1])
    return total


def refused(gateway, kind):
    for line in gateway.get("/metrics").splitlines():
        if line.startswith(f'outrigger_refusals_total{{type="{kind}"}}'):
            return float(line.rsplit(" ", 1)[1])
    return 0


def test_a_page_of_another_origin_sends_nothing_and_reads_nothing(objects):
    with Gateway(objects) as gateway, Pages() as pages:
        url = f"http://evil.example:{pages.port}/foreign.html?gateway={gateway.base}&admin={gateway.admin}"
        with visiting(url, evil_example="127.0.0.1"):
            report = pages.report()
        assert report.pop("no-cors") in ("opaque", "blocked")
        assert report.pop("models no-cors") in ("opaque", "blocked")
        assert report == {
            name: "blocked"
            for name in ["text", "json", "cookies", "override", "models", "/policy", "/decisions", "/metrics", "form"]
        } | {name: "error" for name in ["events", "socket", "picture", "script"]}
        assert gateway.decisions() == []
        assert served(gateway) == 0
        # The requests arrived and the gateway refused them. The browser alone would have let some of them through.
        assert refused(gateway, "origin_blocked") >= 8


def test_a_rebound_name_opens_neither_port(objects):
    with Gateway(objects) as gateway, Pages() as pages:
        for base in (gateway.admin, gateway.base):
            host, port = base.removeprefix("http://").split(":")
            with Rebinding(pages, (host, int(port))) as rebinding:
                home = f"http://127.0.0.1:{pages.port}"
                url = f"http://evil.example:{port}/rebound.html?home={home}"
                with visiting(url, evil_example=rebinding.address):
                    assert pages.report() == {"loaded": True}
                    rebinding.rebound.set()
                    report = pages.report()
            if base == gateway.admin:
                assert report["policy"].startswith("403 "), report
                assert report["decisions"].startswith("403 "), report
            else:
                for name in ("models", "chat"):
                    assert report[name].startswith("403 ") and "host_blocked" in report[name], report
        assert gateway.decisions() == []
        assert served(gateway) == 0


def test_an_sdk_in_a_page_of_an_allowed_origin_works(objects):
    with Pages(openai=SDK) as pages:
        origin = f"http://localhost:{pages.port}"
        with Gateway(objects, "--allow-origin", origin) as gateway:
            with visiting(f"{origin}/app.html?gateway={gateway.base}"):
                report = pages.report()
            assert "failed" not in report, report["failed"]
            assert report["whole"] == report["streamed"] == "Hello from the mock"
            assert report["chunks"] > 1
            assert report["provider"] == "mock" and report["decision"]
            assert report["models"] == ["mock/m"]
            assert report["error"] == "404 model_not_found", report
            assert [record["status"] for record in gateway.decisions()][-2:] == [200, 200]


def test_the_same_page_is_refused_when_its_origin_is_not_allowed(objects):
    with Pages(openai=SDK) as pages, Gateway(objects, "--allow-origin", "http://localhost:1") as gateway:
        with visiting(f"http://localhost:{pages.port}/app.html?gateway={gateway.base}"):
            report = pages.report()
        assert "Connection error" in report["failed"], report
        assert gateway.decisions() == []
