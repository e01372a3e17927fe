"""Protocols without meaning: bytes to values and back, nothing of metrics, devices or schedules."""
