"""The flow server: a process beside the agent that keeps what was told of packets, and answers about it.

    event_source   takes records from the agent's monitor, as any listener does
    record_ring    keeps the newest of them, as they are
    name_table     who had which address, when
    cgroup_pods    which pod a process that calls a socket belongs to
    record_view    one record with the names of its time: what filters ask and messages say
    filter         which flows a request asks for; candidates: which records are looked at for it
    flow_request   how many, and from where on
    flow_reader    reads forward: what comes, and what was lost before it was read
    flow_message   a record as a message; flow_answer: with what stands around it
    observer       answers, as Hubble's Observer does
    serving        where
    export         flow logs: files that flows are written to

A flow is decoded when somebody asks for it, not when it happens. The agent starts the process, and
tells it names on its standard input (`feed`); what a client does here, no pod notices.
"""
