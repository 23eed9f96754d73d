"""Instruments for the line between a container and a virtual machine."""
