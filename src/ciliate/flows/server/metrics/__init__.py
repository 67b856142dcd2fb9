"""Hubble's metrics: what `hubble-metrics` names is counted out of a node's flows, and served over HTTP.

Records are counted before anything is decoded: `groups` makes one of all that agree in the columns
that metrics look at, and once a second each group is looked at (`flow_metrics`). `counters` says what a
metric counts, `context_labels` who is named by its labels, `series` what was counted so far and how
much of it there may be, `departures` which pods are gone for so long that their series go too.
`serving` answers scrapers.
"""
