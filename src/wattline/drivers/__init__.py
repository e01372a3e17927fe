"""One folder for each kind of meter: driver.py, sample.yaml, README.md, test_<name>.py, testdata/."""
