"""The keys that say where other machines ask a node for flows, and who may."""

from typing import Final

from ciliate.config.key import Key, Kind, Scope

HUBBLE_SERVER: Final = (
    Key(
        name="hubble-listen-address",
        kind=Kind.LISTEN,
        default="",
        helm="hubble.listenAddress",
        scope=Scope.BOTH,
        meaning="Where relays ask a node for flows, such as `:4244`. Empty: nowhere but at the"
        " node's own socket.",
    ),
    Key(
        name="hubble-disable-tls",
        kind=Kind.BOOL,
        default="false",
        scope=Scope.BOTH,
        meaning="Answer there without TLS, whoever asks.",
    ),
    Key(
        name="hubble-tls-cert-file",
        kind=Kind.STRING,
        default="/var/lib/cilium/tls/hubble/server.crt",
        meaning="The node's certificate for relays. A file that changes is read again.",
    ),
    Key(
        name="hubble-tls-key-file",
        kind=Kind.STRING,
        default="/var/lib/cilium/tls/hubble/server.key",
        meaning="The key of that certificate.",
    ),
    Key(
        name="hubble-tls-client-ca-files",
        kind=Kind.WORDS,
        default="/var/lib/cilium/tls/hubble/client-ca.crt",
        meaning="Authorities that sign clients' certificates; who has none of theirs is refused.",
    ),
    Key(
        name="hubble-prefer-ipv6",
        kind=Kind.BOOL,
        default="false",
        helm="hubble.preferIpv6",
        meaning="Tell relays the IPv6 address of each node that has one.",
    ),
    Key(
        name="hubble-tls-auto",
        kind=Kind.BOOL,
        default="true",
        helm="hubble.tls.auto.enabled",
        scope=Scope.OPERATOR,
        meaning="Make and renew the certificates of nodes and relays (Secrets `cilium-ca`,"
        " `hubble-server-certs`, `hubble-relay-client-certs`). A key of ours: Cilium's chart makes"
        " them itself.",
    ),
    Key(
        name="hubble-tls-auto-cert-validity",
        kind=Kind.INT,
        default="365",
        helm="hubble.tls.auto.certValidityDuration",
        scope=Scope.OPERATOR,
        meaning="Days that such a certificate is valid; it is renewed when a third of them is left.",
    ),
)
