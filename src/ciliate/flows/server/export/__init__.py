"""Flow logs: files that flows are written to as they come, an object of JSON a line.

    flow_log       one of them: where it is, which flows it wants, how much of it is kept
    static_log     the one that settings name
    log_list       those that a file lists; list_file: the file, read again when it changes
    outbox         lines on their way to a sink
    log_file       a sink: a file with backups; backups: their names, and which of them stay
    agent_log      a sink: the agent's log
    exporter       reads the store for one flow log, and never stops anything else
    exporters      all of them; families: what is measured of them

A flow log is a reader of the store as any client that follows is. What it cannot write it holds back;
what is overwritten meanwhile stands in the log as a loss.
"""
