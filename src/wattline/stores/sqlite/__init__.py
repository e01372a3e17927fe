"""The embedded store: one SQLite file, staged commits folded into compressed chunks (decisions/0002).

store.py      the plugin: what the contract asks, each in a few lines
vault.py      one open file: connections, locks, what is known in memory
schema.py     tables, opening, migration, errors in plain words
catalogue.py  metrics, series, layouts, families, devices, texts, lives
held.py       the words of that               numbers.py  series by their keys       plan.py  what a write adds to it
append.py     a write: one row a commit
staging.py    the body of that row         received.py   which batches came
pieces.py     samples as pieces, merged    read.py       slices of time for readers
newest.py     the newest sample of each series
rollups.py    kept cells as bytes          rolled.py     cells for readers          tallied.py  what they say of energy
"""
