"""BGP in the agent.

object_tables   the objects that this node's sessions are of, as watched
secret_tables   the Secrets with passwords, each watched by its name
node_addresses  which address leads to a peer, gateways, devices
status          what the CiliumBGPNodeConfig should say, pure
status_target   its status, as a reconciler keeps it
sessions        all of it, run while the node does
feature         what the agent knows of it
"""
