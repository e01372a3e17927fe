"""One file per resource; a handler parses its parameters, asks in a worker, and answers."""
