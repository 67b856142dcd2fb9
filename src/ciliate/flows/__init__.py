"""Flows: what happens to packets and sockets, told by the programs, with names, and given to whoever asks.

    maps            settings and counts of events
    watch           reads the ring by the clock while somebody listens, and has the programs tell what is
    monitor         the socket on which listeners ask, and get the records as they are
    name_source     the names that the agent knows: of pods and identities
    service_source  those of Services
    server_process  the flow server as the agent's child, which is told them
    feed            what is said between the two
    server/         the flow server: keeps records, and answers clients of Hubble
    printed_fields  what a line of a flow is made of
    pb/             messages of proto/, generated

What a listener asks and is answered is api/monitor.py's, the ring datapath/ring.py's, and how an event or a
flow is shown the commands' (cli). docs/FLOWS.md tells what an event and a flow is, and what is left out.
"""
