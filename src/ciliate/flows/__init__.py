"""Flows: what happens to packets and sockets, told by the programs and shown to whoever asks.

    ring       datapath/ring.py: records out of the kernel's ring, as columns
    watch      reads it by the clock while somebody listens, and tells the programs what is wanted
    monitor    the socket on which listeners ask, and get the records as they are
    text       a record as people read it

docs/FLOWS.md tells what an event is, and what is left out.
"""
