"""Tests of the benchmarks: the workloads, their build, and the measuring."""
