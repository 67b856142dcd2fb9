"""The adapter to the Kubernetes API: the only part of Ciliate that speaks to it.

`client` reads and writes objects, `lookup` finds one without the right to get it, `informer` keeps
a table of a kind up to date by watching, `election` decides who of several acts, `events` reports to
users, `errors` says what went wrong. Objects are the Structs of `ciliate.api`.
"""
