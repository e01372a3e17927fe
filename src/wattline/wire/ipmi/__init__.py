"""IPMI 2.0 over LAN (RMCP+, `lanplus`), as a client, in reading order.

`suites` (algorithms), `keys` (who asks, and the secrets of a session), `handshake` (the six messages of a login),
`envelope` (packets and their protection), `message` (commands, also through other controllers), `session` (a
conversation), `commands` (what is asked), `sdr` and `formula` (what a sensor's byte means), `repository` (all sensors).

Sources: "IPMI - Intelligent Platform Management Interface Specification Second Generation v2.0" rev. 1.1, here
"IPMI 2.0"; "Data Center Manageability Interface Specification v1.5" rev. 1.0, here "DCMI 1.5".
"""
