"""Configurations of older systems, read as ours: plain data with a remark at each thing that changed.

    kwapi        drivers.conf                sections with Python literals
    kwollect     kwollector.conf             and every file of its metrics.d
    wattmetre    kwollector-wattmetre.conf   one wattmeter on standard input
    energyrecorder   collector-settings.yaml     PODs of servers

`conversion` has the types and the check that each meter passes alone, `written` makes a file of a conversion.
"""
