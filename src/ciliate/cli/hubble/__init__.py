"""`hubble`: what happens to packets of the whole cluster, asked of an agent or of the relay.

A command asks over gRPC and prints the answers; texts, filters and requests are made by pure
functions in modules of their own. `ciliate hubble` is the same.
"""

import os

# gRPC's library reads this when it is imported. Left alone it reports a broken connection on standard
# error by itself, and at length; the commands say it in a line.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
