"""One folder for each store; the same five files as a driver."""
