"""The board: memory, buses, clock, boards, and the machine that ties them to an engine."""
