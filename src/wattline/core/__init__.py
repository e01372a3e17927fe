"""The arithmetic of energy and its encodings: no I/O, no clock, no logging, no asyncio; time is an argument."""
