"""Devices of the boards, one file each. No device knows the CPU."""
