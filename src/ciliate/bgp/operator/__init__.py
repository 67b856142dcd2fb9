"""BGP in the operator.

plan      a CiliumBGPNodeConfig for each selected node, and what is wrong, pure
verdicts  the conditions of cluster and peer configurations, pure
targets   the objects and their statuses, as reconcilers keep them
feature   all of it, run while the operator leads
"""
