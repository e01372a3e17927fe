"""History in and out in open formats, in the long form `time,device,metric,value,labels` and what describes a series.

`form` says what the columns mean; `reading` and `writing` know the formats; `load` and `dump` go between them and a
store. Nothing here knows a concrete store, a screen or a clock.
"""
