"""Recorded answers of real devices, read by our drivers: what they say beside what is known to be true.

A module of this package knows one kind of recording (`snmprec`, `redfish` ...), and has two functions:

    matches(path)   whether a file is a recording of its kind
    readings(path)  what our driver reads from it, with the recording served as the device would

`python -m wattline.testing.recordings FOLDER` reads every recording below a folder and compares.
"""
