"""The native HTTP interface: sees a Store, the ledger and a read-only view of the runtime."""
