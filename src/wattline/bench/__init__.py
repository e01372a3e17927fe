"""Measurements against real peers in the same run: CPU seconds, interleaved rounds, medians, ratios.

Machines are noisy and differ: read the ratios. Nothing here is a test, and no figure is kept.
"""
