"""The cluster's single writer, as a process: settings, definitions, lease, health; then features.

Any number may run; the holder of a lease acts. What is done to the cluster is the features':
`features` names them, `cluster/feature` says what each may bring, `process` runs it.
"""
