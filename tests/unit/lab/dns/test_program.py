"""`lab/dns/program.py`: what the container reads."""

from ciliate.lab.dns.program import name_servers


def test_servers_are_those_of_resolv_conf_and_no_more_than_resolvers_read() -> None:
    text = "# nameserver 9.9.9.9\nsearch a\nnameserver 10.0.2.2 # gateway\nnameserver\n"

    assert name_servers(text) == ["10.0.2.2"]
    assert name_servers("".join(f"nameserver 10.0.0.{n}\n" for n in range(9))) == [
        "10.0.0.0",
        "10.0.0.1",
        "10.0.0.2",
    ]
