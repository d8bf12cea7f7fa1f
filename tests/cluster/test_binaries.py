"""Where the control plane comes from, and when its tests are skipped. No cluster is started here."""

import hashlib
import lzma

import pytest

import binaries


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without builds and without a configured folder."""
    monkeypatch.setattr(binaries, "CACHE", tmp_path / "cache")
    monkeypatch.delenv("OUTRIGGER_CONTROLPLANE", raising=False)
    return tmp_path


def folder(machine, content=b"a program", sums=None):
    given = machine / "given"
    given.mkdir()
    (given / "controlplane.xz").write_bytes(lzma.compress(content))
    (given / "controlplane.sha256").write_text(f"{sums or hashlib.sha256(content).hexdigest()}  controlplane\n")
    return given


def test_a_fresh_machine_has_none(machine):
    assert not binaries.has_controlplane()


def test_a_configured_one_is_used_and_cached(machine, monkeypatch):
    monkeypatch.setenv("OUTRIGGER_CONTROLPLANE", str(folder(machine)))
    assert binaries.has_controlplane()
    assert binaries.controlplane().read_bytes() == b"a program"
    monkeypatch.delenv("OUTRIGGER_CONTROLPLANE")
    assert binaries.has_controlplane()
    assert binaries.controlplane().read_bytes() == b"a program"


@pytest.mark.parametrize("given", [{"sums": "0" * 64}, None], ids=["another sum", "an empty folder"])
def test_a_configured_one_that_is_unusable_fails(machine, monkeypatch, given):
    named = machine / "nothing" if given is None else folder(machine, **given)
    monkeypatch.setenv("OUTRIGGER_CONTROLPLANE", str(named))
    assert binaries.has_controlplane(), "its tests must run, and fail"
    with pytest.raises(binaries.Missing, match="controlplane"):
        binaries.controlplane()


def test_a_build_counts_until_its_sources_change(machine, monkeypatch):
    monkeypatch.setattr(binaries, "go", lambda module, *words: built(words))
    binaries.controlplane()
    assert binaries.has_controlplane()
    binaries.stamp(binaries.controlplane_file()).write_text("of other sources")
    assert not binaries.has_controlplane()


def built(words):
    """A fake Go for the calls of these tests."""
    if words[0] == "mod":
        return '{"Require": [{"Path": "k8s.io/kubernetes", "Version": "v1.34.4"}]}'
    words[words.index("-o") + 1].write_bytes(b"built")
    return ""
