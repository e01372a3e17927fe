"""What is metered, as a tree of Redfish chassis: for clients that know BMCs and nothing else.

`picture` says what a store holds now, `tree` makes resources of it, `app` answers for them.
"""
