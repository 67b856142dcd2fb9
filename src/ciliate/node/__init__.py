"""What the features of the agent share while they run. Knows no feature.

feature                           what the agent knows of a feature: the protocol
context, own_node, progress       the facts and connections that every feature stands on
cluster                           the watches
known_node(s), known_pod(s)       the nodes and pods that they report, indexed
device_selection, devices         which devices lead out of the node
service_names                     which Service has which address and port
announced_services, announced_tables    Services and endpoints as far as announcing needs them
endpoint, endpoint_table, endpoint_store    the pods of this node: value, index, files
maps                              `interfaces` and `endpoints`, which several features fill or read
address_source                    what attaching a pod asks of address management
"""
