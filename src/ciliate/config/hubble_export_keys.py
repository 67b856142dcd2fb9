"""The keys of flow logs: files that flows are written to."""

from typing import Final

from ciliate.config.key import Key, Kind

HUBBLE_EXPORT: Final = (
    Key(
        name="hubble-export-file-path",
        kind=Kind.STRING,
        default="",
        helm="hubble.export.static.filePath",
        meaning="The file that flows are written to, an object of JSON a line, or `stdout`: the"
        " agent's log; empty: none.",
    ),
    Key(
        name="hubble-export-file-max-size-mb",
        kind=Kind.INT,
        default="10",
        helm="hubble.export.static.fileMaxSizeMb",
        meaning="A file of so many MiB becomes a backup, and another begins.",
    ),
    Key(
        name="hubble-export-file-max-backups",
        kind=Kind.INT,
        default="5",
        helm="hubble.export.static.fileMaxBackups",
        meaning="How many backups of a file are kept; 0: none.",
    ),
    Key(
        name="hubble-export-file-compress",
        kind=Kind.BOOL,
        default="false",
        helm="hubble.export.static.fileCompress",
        meaning="Compress backups.",
    ),
    Key(
        name="hubble-export-allowlist",
        kind=Kind.FLOW_FILTERS,
        default="",
        helm="hubble.export.static.allowList",
        meaning="Write only flows that one of these filters matches; empty: all.",
    ),
    Key(
        name="hubble-export-denylist",
        kind=Kind.FLOW_FILTERS,
        default="",
        helm="hubble.export.static.denyList",
        meaning="Write no flow that one of these filters matches.",
    ),
    Key(
        name="hubble-export-fieldmask",
        kind=Kind.WORDS,
        default="",
        helm="hubble.export.static.fieldMask",
        meaning="Of a flow, write these fields, such as `time source.pod_name verdict`; empty: all.",
    ),
    Key(
        name="hubble-flowlogs-config-path",
        kind=Kind.STRING,
        default="",
        meaning="A file of YAML that lists further flow logs, which is read again when it changes;"
        " empty: none ([FLOWS.md](FLOWS.md)).",
    ),
)
