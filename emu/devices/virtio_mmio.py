"""The virtio MMIO transport: one 512-byte window, one interrupt, any virtio device behind it.

VIRTIO 1.1, 4.2 "Virtio Over MMIO", version 2, and the legacy interface of 4.2.4 (version 1), which is
what QEMU's microvm shows by default (`-global virtio-mmio.force-legacy=false` makes it version 2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from emu.devices.device import Device, Line, no_line
from emu.devices.virtqueue import MAX_SIZE, QueueError, QueueState, Virtqueue

WINDOW = 0x200
_MAGIC = 0x74726976
_VENDOR = 0x554D4551  # "QEMU": drivers match on it nowhere, and tools know it

F_INDIRECT_DESC, F_VERSION_1, F_ANY_LAYOUT = 28, 32, 27
ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET, FAILED = 1, 2, 4, 8, 64, 128
_USED_BUFFER, _CONFIG_CHANGE = 1, 2


class VirtioDevice:
    """What stands behind the transport. Subclasses set `device_id`, `queue_count` and `features` (a mask),
    and answer configuration reads and queue notifications."""

    device_id = 0
    queue_count = 1
    features = 0
    state: Any = None

    #: Set by the transport.
    transport: VirtioMmio

    def config(self) -> bytes:
        """The device-specific configuration space."""
        return b""

    def write_config(self, offset: int, data: bytes) -> None:
        """The driver writes to the configuration space."""

    def notify(self, index: int) -> None:
        """The driver made buffers available in queue `index`; may raise QueueError."""

    def reset(self) -> None:
        """The driver reset the device."""

    def save(self) -> Any:
        """Plain data beyond the queues."""
        return None

    def load(self, saved: Any) -> None:
        """Continue from `save`."""

    def quick_save(self) -> Any:
        """What `save` says, without what media hold."""
        return self.save()

    def quick_load(self, saved: Any) -> None:
        """Continue from `quick_save`."""
        self.load(saved)


@dataclass(slots=True)
class MmioState:
    status: int = 0
    interrupt: int = 0
    device_features_select: int = 0
    driver_features_select: int = 0
    driver_features: int = 0
    queue_select: int = 0
    page_size: int = 0
    generation: int = 0
    level: bool = False
    queues: list[QueueState] = field(default_factory=list)


class VirtioMmio(Device):
    """The window at `base`. `irq` is driven with the level of InterruptStatus; without a `device` it
    shows device ID 0, an empty slot. `error` is the reason of the last DEVICE_NEEDS_RESET."""

    def __init__(self, bus, base: int, irq: Line = no_line, device: VirtioDevice | None = None,
                 legacy: bool = False, name: str = "") -> None:
        self.name = name or f"virtio-mmio@{base:#x}"
        self.base = base
        self.memory = [range(base, base + WINDOW)]
        self.bus = bus
        self.irq = irq
        self.legacy = legacy
        self.device = device if device is not None else VirtioDevice()
        self.error = ""
        self.queues = [Virtqueue(bus) for _ in range(self.device.queue_count if device is not None else 0)]
        self.device.transport = self
        self.state = MmioState(queues=[queue.state for queue in self.queues])

    @property
    def features(self) -> int:
        """The feature bits offered: the device's and the transport's."""
        if self.device.device_id == 0:
            return 0
        ours = 1 << F_INDIRECT_DESC | (1 << F_ANY_LAYOUT if self.legacy else 1 << F_VERSION_1)
        return self.device.features | ours

    def reset(self) -> None:
        for queue in self.queues:
            queue.reset()
        level = self.state.level
        self.state = MmioState(level=level, queues=[queue.state for queue in self.queues],
                               generation=self.state.generation)
        self.device.reset()
        self._update()

    def quick_save(self) -> Any:
        return *super().quick_save(), self.device.quick_save()

    def quick_load(self, saved: Any) -> None:
        super().quick_load(saved[:2])
        self.device.quick_load(saved[2])

    def save(self) -> dict[str, Any]:
        return super().save() | {"device": self.device.save()}

    def load(self, saved: dict[str, Any]) -> None:
        super().load(saved)
        self.device.load(saved["device"])

    def settle(self) -> None:
        for queue, state in zip(self.queues, self.state.queues, strict=True):
            queue.state = state
            queue.indirect = bool(self.state.driver_features >> F_INDIRECT_DESC & 1)

    def used(self, queue: Virtqueue) -> None:
        """Interrupt the driver about buffers just pushed, unless it does not want to hear."""
        if queue.wants_interrupt():
            self.state.interrupt |= _USED_BUFFER
            self._update()

    def config_changed(self) -> None:
        """Tell the driver that the configuration space has new contents."""
        self.state.generation = (self.state.generation + 1) & 0xFFFF_FFFF
        if self.state.status & DRIVER_OK:
            self.state.interrupt |= _CONFIG_CHANGE
            self._update()

    def guarded(self, action, *arguments) -> None:
        """Run a piece of device work; a broken virtqueue stops the device until it is reset."""
        if not self.running():
            return
        try:
            action(*arguments)
        except QueueError as error:
            self.error = str(error)
            self.state.status |= NEEDS_RESET
            self.state.interrupt |= _CONFIG_CHANGE
            self._update()

    def running(self) -> bool:
        """Has the driver finished its set-up, and is the device in order?"""
        return self.state.status & (DRIVER_OK | NEEDS_RESET) == DRIVER_OK

    # Registers

    def read_memory(self, address: int, width: int) -> int:
        offset = address - self.base
        if offset >= 0x100:
            return self._read_config(offset - 0x100, width)
        if width != 4 or offset & 3:
            return 0
        state = self.state
        if offset == 0x60:
            return state.interrupt
        if offset == 0x70:
            return state.status
        if offset == 0x00:
            return _MAGIC
        if offset == 0x04:
            return 1 if self.legacy else 2
        if offset == 0x08:
            return self.device.device_id
        if offset == 0x0C:
            return _VENDOR
        if offset == 0x10:
            select = state.device_features_select
            return self.features >> 32 * select & 0xFFFF_FFFF if select < 2 else 0
        queue = self._selected()
        if offset == 0x34:
            return MAX_SIZE if queue is not None else 0
        if self.legacy:
            return queue.state.pfn if offset == 0x40 and queue is not None else 0
        if offset == 0x44:
            return int(queue is not None and queue.state.ready)
        if offset == 0xFC:
            return state.generation
        if offset in (0xB0, 0xB4, 0xB8, 0xBC):
            return 0xFFFF_FFFF  # no shared memory region has this ID
        return 0

    def write_memory(self, address: int, width: int, value: int) -> None:
        offset = address - self.base
        if self.device.device_id == 0:
            return
        if offset >= 0x100:
            if offset - 0x100 + width <= len(self.device.config()):
                data = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
                self.device.write_config(offset - 0x100, data)
            return
        if width != 4 or offset & 3:
            return
        state = self.state
        value &= 0xFFFF_FFFF
        if offset == 0x50:
            if value < len(self.queues):
                self.guarded(self.device.notify, value)
        elif offset == 0x64:
            state.interrupt &= ~value
            self._update()
        elif offset == 0x70:
            self._write_status(value & 0xFF)
        elif offset == 0x14:
            state.device_features_select = value
        elif offset == 0x24:
            state.driver_features_select = value
        elif offset == 0x20:
            self._write_features(value)
        elif offset == 0x30:
            state.queue_select = value
        elif self.legacy and offset == 0x28:
            state.page_size = value
        else:
            self._write_queue(offset, value)

    def _read_config(self, offset: int, width: int) -> int:
        config = self.device.config()
        if offset + width > len(config):
            return (1 << 8 * width) - 1 if self.device.device_id == 0 else 0
        return int.from_bytes(config[offset : offset + width], "little")

    def _write_status(self, value: int) -> None:
        state = self.state
        if value == 0:
            self.reset()
            return
        if value & FEATURES_OK and not state.status & FEATURES_OK and not self.legacy:
            # A driver that leaves VERSION_1 out, or takes what was not offered, is refused.
            if state.driver_features & ~self.features or not state.driver_features >> F_VERSION_1 & 1:
                value &= ~FEATURES_OK
        if not self.legacy and value & DRIVER_OK and not value & FEATURES_OK:
            value &= ~DRIVER_OK
        # Only a reset clears status bits.
        state.status = state.status | value & ~NEEDS_RESET
        for queue in self.queues:
            queue.indirect = bool(state.driver_features >> F_INDIRECT_DESC & 1)

    def _write_features(self, value: int) -> None:
        state = self.state
        if state.status & FEATURES_OK or state.driver_features_select > 1:
            return
        shift = 32 * state.driver_features_select
        state.driver_features = state.driver_features & ~(0xFFFF_FFFF << shift) | value << shift

    def _selected(self) -> Virtqueue | None:
        index = self.state.queue_select
        return self.queues[index] if index < len(self.queues) else None

    def _write_queue(self, offset: int, value: int) -> None:
        queue = self._selected()
        if queue is None:
            return
        state = queue.state
        if offset == 0x38:
            if not state.ready and 0 < value <= MAX_SIZE and not value & (value - 1):
                state.size = value
        elif self.legacy:
            if offset == 0x3C:
                if value and not value & (value - 1):
                    state.align = value
            elif offset == 0x40:
                self._legacy_address(state, value)
        elif offset == 0x44:
            state.ready = bool(value & 1)
            if not state.ready:
                state.seen = state.used = 0
        elif not state.ready:
            # While a queue is live its addresses must not move.
            if offset in (0x80, 0x84):
                state.descriptors = _half(state.descriptors, offset & 4, value)
            elif offset in (0x90, 0x94):
                state.available = _half(state.available, offset & 4, value)
            elif offset in (0xA0, 0xA4):
                state.used_ring = _half(state.used_ring, offset & 4, value)

    def _legacy_address(self, state: QueueState, pfn: int) -> None:
        state.pfn = pfn
        state.ready = pfn != 0
        state.seen = state.used = 0
        state.descriptors = pfn * self.state.page_size
        state.available = state.descriptors + 16 * state.size
        end = state.available + 4 + 2 * state.size + 2
        state.used_ring = -(-end // state.align) * state.align

    def _update(self) -> None:
        level = self.state.interrupt != 0
        if level != self.state.level:
            self.state.level = level
            self.irq(level)


def _half(address: int, high: int, value: int) -> int:
    return address & 0xFFFF_FFFF | value << 32 if high else address & ~0xFFFF_FFFF | value
