"""Ciliate: a pod network for Kubernetes with Cilium's API."""

from typing import Final

#: The version of this program, shown by `ciliate version` and in `cilium status`.
__version__: Final = "0.1.0"

#: The version of Cilium whose API, ConfigMap keys and output we speak.
CILIUM_API_VERSION: Final = "1.17.6"
