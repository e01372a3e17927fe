"""Finding meters on a network: who answers, what it is, and which address reads it."""
