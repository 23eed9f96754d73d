"""The four settings side by side: one page that needs nothing else, with its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from emu.boundary.meters import SETTINGS, WORLDS, Measured
from emu.boundary.report import ROWS

_COLOURS = {"host kernel": "#4269d0", "host user": "#97bbf5", "guest kernel": "#ff725c", "guest user": "#ffc2b5"}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ddd }
td { font-variant-numeric: tabular-nums; white-space: pre-line } svg { width: 100%; height: auto } text { font: 12px system-ui, sans-serif }
.key span { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } th, td { border-color: #444 } text { fill: #ddd } }
"""


def page(found: Sequence[Measured], workload: str) -> str:
    """A whole HTML document. Equal measurements give equal bytes."""
    return "\n".join([
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{escape(workload)} in {len(found)} settings</title><style>{_STYLE}</style></head><body>",
        f"<h1><code>{escape(workload)}</code> in {len(found)} settings</h1>",
        "<p>The same program as a process, in a container, in a virtual machine, and in a container in one. A container is a process of the one "
        "kernel that everybody shares, which shows it less. A virtual machine brings a second kernel, on hardware that is emulated for it. "
        "Every figure is exact: the same run gives the same figures.</p>",
        *_table(found), "<h2>Who retired the instructions</h2>", *_key(), *_bars(found),
        "<h2>The way of one write()</h2>", *_paths(found), "<h2>Who was running</h2>", *_key(), *_timelines(found), "</body></html>", ""])


def _table(found: Sequence[Measured]) -> Iterator[str]:
    yield "<table><tr><th></th>" + "".join(f"<th>{escape(m.setting)}<br><small>{escape(SETTINGS[m.setting][1])}</small></th>" for m in found) + "</tr>"
    for heading, figure in ROWS:
        yield f"<tr><th>{escape(heading)}</th>" + "".join(f"<td>{escape(figure(m))}</td>" for m in found) + "</tr>"
    yield "</table>"


def _key() -> Iterator[str]:
    yield '<p class="key">' + "".join(f'<span style="background:{colour}"></span>{world}' for world, colour in _COLOURS.items()) + "</p>"


def _bars(found: Sequence[Measured]) -> Iterator[str]:
    longest = max(sum(m.whole.worlds) for m in found)
    yield f'<svg viewBox="0 0 900 {36 * len(found)}" role="img" aria-label="instructions by world">'
    for row, measured in enumerate(found):
        x = 130.0
        yield f'<text x="0" y="{36 * row + 20}">{escape(measured.setting)}</text>'
        for world, count in zip(WORLDS, measured.whole.worlds):
            width = 640 * count / longest
            yield f'<rect x="{x:.1f}" y="{36 * row + 4}" width="{width:.1f}" height="24" fill="{_COLOURS[world]}"><title>{world}: {count:,}</title></rect>'
            x += width
        yield f'<text x="{x + 6:.1f}" y="{36 * row + 20}">{sum(measured.whole.worlds):,}</text>'
    yield "</svg>"


def _paths(found: Sequence[Measured]) -> Iterator[str]:
    """A column for each setting: boxes from the program down to the device."""
    steps = [[f"{m.visible[-1] if m.visible else 'the program'}: write()", *m.write_path,
              *(f"{count} × #VMEXIT: {why}" for why, count in m.write_exits.items()), "the console"] for m in found]
    height = 52 * max(map(len, steps))
    yield f'<svg viewBox="0 0 {230 * len(found)} {height + 24}" role="img" aria-label="the path of a write">'
    for column, (measured, path) in enumerate(zip(found, steps)):
        x = 230 * column + 4
        yield f'<text x="{x}" y="12" font-weight="bold">{escape(measured.setting)}</text>'
        for row, step in enumerate(path):
            y = 52 * row + 22
            world = "guest kernel" if step.startswith("guest") else "host kernel" if step.startswith("host") else "host user"
            yield f'<rect x="{x}" y="{y}" width="215" height="32" rx="4" fill="{_COLOURS[world]}" fill-opacity=".35" stroke="{_COLOURS[world]}"/>'
            yield f'<text x="{x + 8}" y="{y + 20}">{escape(step)}</text>'
            if row + 1 < len(path):
                yield f'<path d="M{x + 107} {y + 32}v18m-4 -6l4 6l4 -6" fill="none" stroke="currentColor"/>'
    yield "</svg>"


def _timelines(found: Sequence[Measured]) -> Iterator[str]:
    """For each setting a band: from one kernel entry to the next, coloured by whose kernel was entered."""
    yield f'<svg viewBox="0 0 900 {40 * len(found)}" role="img" aria-label="kernel entries over time">'
    for row, measured in enumerate(found):
        end = max(sum(measured.whole.worlds), 1)
        yield f'<text x="0" y="{40 * row + 22}">{escape(measured.setting)}</text>'
        colour = {side: _COLOURS[f"{side} kernel"] for side in ("host", "guest")}
        for moment, after in zip(measured.moments, [each.at for each in measured.moments[1:]] + [end]):
            x, width = 130 + 760 * moment.at / end, max(760 * (after - moment.at) / end, .3)
            yield (f'<rect x="{x:.1f}" y="{40 * row + 6}" width="{width:.1f}" height="26" fill="{colour[moment.kernel]}">'
                   f"<title>{moment.at:,}: {escape(moment.program)}: {escape(moment.call)}</title></rect>")
    yield "</svg>"
