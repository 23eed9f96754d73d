"""One workload in four settings: the figures say what a container and what a virtual machine is."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from emu.boundary.html import page
from emu.cli import boundary
from tests.cli.ringzero import ringzero
from tests.guestos import ours


@pytest.fixture(scope="module")
def found() -> dict:
    ours.require_compiled()
    return {measured.setting: measured for measured in boundary.measure_all(boundary.WORKLOAD, boundary.settings(None))}


def test_the_program_does_the_same_everywhere(found):
    assert {(measured.status, measured.output) for measured in found.values()} == {(0, found["process"].output)}
    assert "Ringzero" in found["process"].output


def test_a_container_is_a_process_of_the_same_kernel(found):
    process, container = found["process"], found["container"]
    assert container.identity["same_as_host"] and container.identity["code_at"] == process.identity["code_at"]
    assert not container.calls["guest"] and not container.whole.exits.total() and container.frames["virtual_machine"] == 0
    assert container.whole.worlds[2:] == [0, 0]
    assert container.identity["host_name"] != process.identity["host_name"] and container.visible == ["cat"]
    assert container.write_path == process.write_path


def test_a_container_starts_cheaply_and_then_costs_nothing(found):
    process, container = found["process"], found["container"]
    assert sum(container.start.worlds) - sum(process.start.worlds) < 300_000
    after = [sum(m.whole.worlds) - sum(m.start.worlds) for m in (process, container)]
    assert after[1] < after[0] * 1.5        # its end takes its namespaces along


@pytest.mark.parametrize("setting", ["vm", "container in vm"])
def test_a_virtual_machine_is_a_second_kernel(found, setting):
    vm = found[setting]
    assert not vm.identity["same_as_host"] and vm.identity["code_at"] != found["process"].identity["code_at"]
    assert vm.calls["guest"]["write"] >= 1 and vm.whole.exits.total() > 100 and vm.frames["virtual_machine"] > 100
    assert vm.write_path[0] == "guest kernel: write of cat" and any(step.startswith("host kernel") for step in vm.write_path) and vm.write_exits["port"]
    assert sum(vm.whole.worlds) < 20_000_000 and vm.frames["breaches"] == 0


def test_two_runs_give_the_same_bytes(found):
    again = boundary.measure_all(boundary.WORKLOAD, boundary.settings("container,vm"))
    assert [json.dumps(measured.as_json()) for measured in again] == [json.dumps(found[measured.setting].as_json()) for measured in again]


def test_the_page_needs_nothing_else(found):
    text = page(list(found.values()), boundary.WORKLOAD)
    open_tags: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag, attributes):
            assert not {"src", "href"} & {name for name, _ in attributes}
            if tag not in ("meta", "br", "rect", "path") or self.get_starttag_text().endswith("/>"):
                open_tags.extend([tag] * (not self.get_starttag_text().endswith("/>") and tag not in ("meta", "br")))

        def handle_endtag(self, tag):
            if open_tags and open_tags[-1] == tag:
                open_tags.pop()

    Checker().feed(text)
    assert text.count("<svg") == 3 and "http" not in text and all(setting in text for setting in found)
    assert page(list(found.values()), boundary.WORKLOAD) == text


def test_the_command(found, tmp_path):
    done = ringzero("boundary", "--settings", "process", "--json", "--html", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["settings"] == [json.loads(json.dumps(found["process"].as_json()))]
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(("arguments", "said"), [
    (["--settings", "cloud"], "there is no setting 'cloud'"), (["--workload", ""], "the workload is empty"),
    (["--workload", "nothere", "--settings", "process"], "did not come to its end"),
])
def test_mistakes(arguments, said):
    done = ringzero("boundary", *arguments)
    assert done.returncode == 2 and said in done.stderr.decode() and "Traceback" not in done.stderr.decode()
