"""One folder for each place that batches go to; the same five files as a driver."""
