"""Fakes as a product: a memory store, scripted drivers, and the contract suites that any plugin can run."""
