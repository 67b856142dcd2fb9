from typing import Any

from ciliate.apiserver.defaults import default_pod_spec


def test_grpc_probe_asks_for_the_whole_server_unless_it_names_a_service() -> None:
    """Where the field is missing, kubectl describe ends with a fault of its own."""
    spec: dict[str, Any] = {
        "containers": [
            {
                "name": "relay",
                "image": "relay",
                "livenessProbe": {"grpc": {"port": 4222}},
                "readinessProbe": {"grpc": {"port": 4222, "service": "observer"}},
            }
        ]
    }

    default_pod_spec(spec)

    (container,) = spec["containers"]
    assert container["livenessProbe"]["grpc"] == {"port": 4222, "service": ""}
    assert container["readinessProbe"]["grpc"] == {"port": 4222, "service": "observer"}
