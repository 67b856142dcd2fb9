"""The cluster's single writer, as a process: settings, definitions, lease, health; then features.

Any number may run; the holder of a lease acts. The features do the work: `features` names them,
`cluster/feature` says what each may bring, `process` runs it.
"""
