"""Copies of the tree, their workers, and the mutants' fates."""

from __future__ import annotations

import filecmp
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.checks import ROOT, Mutant

WHERE = ROOT / "build" / "mutants"
COPIED = ("benchmarks", "cext", "docs", "emu", "guestos", "tests", "pyproject.toml", "setup.cfg", "setup.py", "Makefile", "README.md", "CONTRIBUTING.md")


@dataclass(frozen=True, slots=True)
class Fate:
    """`caught` names the test, "" for a survivor; `error`: the mutant could not be tried."""

    mutant: Mutant
    caught: str
    seconds: float
    error: str = ""


def _copy(to: Path) -> Path:
    """The tree as it is now; what didn't change keeps its time, and so what was built of it."""
    wanted = set()
    for name in COPIED:
        top = ROOT / name
        for source in [top] if top.is_file() else (file for file in top.rglob("*") if file.is_file() and "__pycache__" not in file.parts):
            target = to / source.relative_to(ROOT)
            wanted.add(target)
            if not target.exists() or not filecmp.cmp(source, target, shallow=False):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
    for name in COPIED:
        for old in list((to / name).rglob("*")):
            if old.is_file() and "__pycache__" not in old.parts and old not in wanted:
                old.unlink()
    return to


def _work(number: int, mutants: queue.SimpleQueue, told: Callable[[Fate], None], stop: threading.Event, check: bool) -> None:
    copy = _copy(WHERE / str(number))
    environment = dict(os.environ, PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
    with subprocess.Popen([sys.executable, "-m", "tests.mutants.worker"], cwd=copy, env=environment, text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=open(WHERE / f"{number}.log", "w")) as worker:
        def ask(request: dict) -> dict:
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
            answer = worker.stdout.readline()
            if not answer:
                raise RuntimeError(f"a worker ended: {WHERE / f'{number}.log'} says why")
            return json.loads(answer)

        if check and (wrong := ask({})) and (wrong["caught"] or wrong.get("error")):
            raise RuntimeError(f"the tree fails before anything is taken out: {wrong}")
        while not stop.is_set():
            try:
                mutant = mutants.get_nowait()
            except queue.Empty:
                break
            answer = ask({"path": mutant.path, "line": mutant.line, "names": mutant.names, "text": mutant.text, "part": mutant.half})
            told(Fate(mutant, answer["caught"], answer["seconds"], answer.get("error", "")))
        worker.stdin.close()


def run(mutants: list[Mutant], jobs: int = 1, told: Callable[[Fate], None] = lambda _: None, check: bool = True) -> list[Fate]:
    """The fate of each, in their order. Raises RuntimeError when the unchanged tree fails, or a worker ends."""
    WHERE.mkdir(parents=True, exist_ok=True)
    todo, fates, errors, stop, lock = queue.SimpleQueue(), [], [], threading.Event(), threading.Lock()
    for mutant in mutants:
        todo.put(mutant)

    def tell(fate: Fate) -> None:
        with lock:
            fates.append(fate)
            told(fate)

    def work(number: int) -> None:
        try:
            _work(number, todo, tell, stop, check)
        except (RuntimeError, OSError) as error:
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(min(jobs, len(mutants)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sorted(fates, key=lambda fate: mutants.index(fate.mutant))
