"""What every feature of a leading operator stands on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ciliate.cluster.tables import Tables
from ciliate.kube.client import ApiClient


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """Where the settings come from: the ConfigMap, and the flags that win over it."""

    namespace: str
    config_map: str
    flags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Context:
    """The connection to the API, what is watched through it, and whether we may write.

    `may_act` is asked before every write: leadership may have ended since the last.
    """

    client: ApiClient
    tables: Tables
    config: ConfigSource
    may_act: Callable[[], bool]
