"""The book of ports, shown: who holds how many toward which remote, and when there will be none.

book      remotes, counts, fill and growth; pure
tally     counts the ports, by a program
owners    what each pod has of the table of connections
metrics   the fullest remotes and the largest holders, for Prometheus; pure
report    rows of `masquerade ports`; pure
alarms    which remotes have just become nearly full; pure
alarm_events  alarms as Events of pod and Node
watch     counts again and again
"""
