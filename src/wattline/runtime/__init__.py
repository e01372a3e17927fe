"""Schedules, queues, health and wiring: knows the contract of plugins (wattline.plugin) and no plugin."""
