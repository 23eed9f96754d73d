"""The virtio console: one port, a receive and a transmit queue.

VIRTIO 1.1, 5.3 "Console Device", with the size in columns and rows and the emergency write.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from emu.devices.virtio_mmio import VirtioDevice

F_SIZE, F_EMERG_WRITE = 0, 2
_RECEIVE, _TRANSMIT = 0, 1


class VirtioConsole(VirtioDevice):
    """`transmit(data)` gets what the guest prints; `receive(data)` delivers input as buffers allow."""

    device_id = 3
    queue_count = 2
    features = 1 << F_SIZE | 1 << F_EMERG_WRITE

    def __init__(self, transmit: Callable[[bytes], None] | None = None, columns: int = 80, rows: int = 25) -> None:
        self.transmit = transmit
        self.columns = columns
        self.rows = rows
        self.backlog = b""

    def config(self) -> bytes:
        """cols, rows, max_nr_ports, emerg_wr."""
        return struct.pack("<HHII", self.columns, self.rows, 1, 0)

    def write_config(self, offset: int, data: bytes) -> None:
        if offset == 8 and self.transmit is not None:
            self.transmit(data[:1])

    def receive(self, data: bytes) -> None:
        """Input, any amount; it waits here until the driver offers room."""
        self.backlog += bytes(data)
        self.transport.guarded(self._deliver)

    def resize(self, columns: int, rows: int) -> None:
        """The terminal at the far end has a new size (1 to 65535 each)."""
        self.columns, self.rows = columns & 0xFFFF, rows & 0xFFFF
        self.transport.config_changed()

    def notify(self, index: int) -> None:
        if index == _RECEIVE:
            self._deliver()
            return
        queue = self.transport.queues[_TRANSMIT]
        done = 0
        try:
            for _ in range(queue.pending()):
                chain = queue.pop()
                if chain is None:
                    break
                data = queue.gather(chain)
                queue.push(chain, 0)
                done += 1
                if data and self.transmit is not None:
                    self.transmit(data)
        finally:
            if done:
                self.transport.used(queue)

    def save(self) -> Any:
        return {"backlog": self.backlog, "size": [self.columns, self.rows]}

    def load(self, saved: Any) -> None:
        self.backlog = saved["backlog"]
        self.columns, self.rows = saved["size"]

    def _deliver(self) -> None:
        queue = self.transport.queues[_RECEIVE]
        done = 0
        try:
            while self.backlog and queue.pending():
                chain = queue.pop()
                if chain is None:
                    break
                count = queue.scatter(chain, self.backlog[: 1 << 20])
                queue.push(chain, count)
                self.backlog = self.backlog[count:]
                done += 1
        finally:
            if done:
                self.transport.used(queue)
