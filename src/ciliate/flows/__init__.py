"""Flows: what happens to packets and sockets, told by the programs and given to whoever listens.

    maps       settings and counts of events
    watch      reads the ring by the clock while somebody listens, and has the programs tell what is
    monitor    the socket on which listeners ask, and get the records as they are

What is asked and answered there is api/monitor.py's, the ring datapath/ring.py's, and how an event is
shown cli/event_text.py's. docs/FLOWS.md tells what an event is, and what is left out.
"""
