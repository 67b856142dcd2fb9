"""Service accounts: their tokens, what they may do by roles, and pods that have them."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.kubectl import needs_modern

from .conftest import Answer, ServerProcess, wait_for

GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{GROUP}/v1"


@dataclass(frozen=True)
class Account:
    """A namespace's default service account as a client."""

    server: ServerProcess
    namespace: str

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:default"

    def token_of(self, **spec: Any) -> Answer:
        """What the server answers to a request for a token."""
        path = f"{self.path}/serviceaccounts/default/token"
        return self.server.exchange("POST", path, {"spec": spec})

    def token(self, **spec: Any) -> str:
        """A token that the server gives."""
        answer = self.token_of(**spec)
        assert answer.code == 201, answer.body
        return str(answer.body["status"]["token"])

    def may(self, *rules: dict[str, Any], namespace: str = "") -> None:
        """Let the account do what rules say, in a namespace or in the cluster."""
        kind = "Role" if namespace else "ClusterRole"
        place = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
        name = f"{self.namespace}-own"
        role = {"metadata": {"name": name}, "rules": list(rules)}
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": self.namespace}
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name},
            "subjects": [subject],
        }
        for plural, body in ((f"{kind.lower()}s", role), (f"{kind.lower()}bindings", binding)):
            code, answer = self.server.request("POST", f"{place}/{plural}", body)
            assert code == 201, answer


@pytest.fixture
def account(server: ServerProcess, namespace: str) -> Account:
    return Account(server, namespace)


def claims(token: str) -> Any:
    """What a token says."""
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "a"}], **spec},
    }


def test_token_names_its_account_and_holds_for_an_hour(account: Account) -> None:
    said = claims(account.token())

    assert said["sub"] == account.user
    assert said["exp"] - said["iat"] == 3600
    assert said["aud"] == [said["iss"]]
    assert said["kubernetes.io"]["serviceaccount"]["name"] == "default"


def test_client_with_a_token_is_the_account(account: Account) -> None:
    review = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

    answer = account.server.exchange("POST", review, {}, token=account.token())

    info = answer.body["status"]["userInfo"]
    assert (answer.code, info["username"]) == (201, account.user)
    assert info["groups"] == [
        "system:serviceaccounts",
        f"system:serviceaccounts:{account.namespace}",
        "system:authenticated",
    ]


def test_token_may_look_around_and_nothing_else(account: Account) -> None:
    token = account.token()

    def asked(method: str, path: str, body: Any = None) -> Answer:
        return account.server.exchange(method, path, body, token=token)

    assert [asked("GET", path).code for path in ("/api", "/apis", "/version", "/openapi/v2")] == [
        *[200] * 4
    ]
    refused = asked("GET", f"{account.path}/pods")
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == (
        f'pods is forbidden: User "{account.user}" cannot list resource "pods" in API group ""'
        f' in the namespace "{account.namespace}"'
    )
    assert asked("GET", "/api/v1/nodes").body["message"].endswith("at the cluster scope")
    assert asked("POST", f"{account.path}/pods", pod("p")).code == 403
    assert asked("GET", f"{account.path}/pods/p/exec?command=sh").code == 403
    assert asked("GET", "/metrics").body["message"] == (
        f'forbidden: User "{account.user}" cannot get path "/metrics"'
    )


def test_role_allows_what_it_says_where_it_is_bound(account: Account) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create"]}
    account.may(rule, namespace=account.namespace)
    token = account.token()
    maps = f"{account.path}/configmaps"

    def code(method: str, path: str, body: Any = None) -> int:
        return account.server.exchange(method, path, body, token=token).code

    assert code("POST", maps, {"metadata": {"name": "a"}}) == 201
    assert code("GET", f"{maps}/a") == 200
    assert code("GET", maps) == 403
    assert code("DELETE", f"{maps}/a") == 403
    assert code("GET", "/api/v1/namespaces/default/configmaps/kube-root-ca.crt") == 403


def test_who_may_write_roles_may_not_grant_what_it_has_not(account: Account) -> None:
    account.may({"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "create", "bind"]})
    token = account.token()
    binding = {
        "metadata": {"name": f"{account.namespace}-more"},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": account.user}],
    }

    answer = account.server.exchange("POST", f"{RBAC}/clusterrolebindings", binding, token=token)

    assert answer.code == 403
    assert "may not grant rights" in answer.body["message"]


@pytest.mark.parametrize(
    "broken",
    [
        lambda token: token[:-2],
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda _: "x.y.z",
        lambda _: "",
        # The same claims, with a header by which nobody has signed them.
        lambda token: ".".join(
            [
                base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("="),
                *token.split(".")[1:],
            ]
        ),
    ],
)
def test_token_that_is_not_ours_is_refused(account: Account, broken: Callable[[str], str]) -> None:
    answer = account.server.exchange("GET", "/api", token=broken(account.token()))

    assert (answer.code, answer.body["message"]) == (401, "Unauthorized")


def test_token_for_others_does_not_open_the_server(account: Account) -> None:
    token = account.token(audiences=["vault"])
    review = "/apis/authentication.k8s.io/v1/tokenreviews"

    def reviewed(**spec: Any) -> Any:
        return account.server.request("POST", review, {"spec": {"token": token, **spec}})[1]

    assert account.server.exchange("GET", "/api", token=token).code == 401
    assert reviewed()["status"]["authenticated"] is False
    status = reviewed(audiences=["vault", "other"])["status"]
    assert (status["authenticated"], status["audiences"]) == (True, ["vault"])
    assert status["user"]["username"] == account.user


def test_token_of_a_pod_ends_with_it(account: Account) -> None:
    _, made = account.server.request("POST", f"{account.path}/pods", pod("bound"))
    reference = {"kind": "Pod", "name": "bound", "uid": made["metadata"]["uid"]}
    token = account.token(boundObjectRef=reference)
    before = account.server.exchange("GET", "/api", token=token).code

    account.server.request("DELETE", f"{account.path}/pods/bound?gracePeriodSeconds=0")

    assert claims(token)["kubernetes.io"]["pod"] == {"name": "bound", "uid": reference["uid"]}
    assert before == 200
    wait_for(
        lambda: account.server.exchange("GET", "/api", token=token).code == 401,
        what="the end of the token",
    )


def test_token_ends_with_its_account(account: Account) -> None:
    token = account.token()

    account.server.request("DELETE", f"{account.path}/serviceaccounts/default")

    assert account.server.exchange("GET", "/api", token=token).code == 401


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"expirationSeconds": 599}, 422, "may not specify a duration less than 10 minutes"),
        ({"expirationSeconds": 1 << 33}, 422, "larger than 2^32 seconds"),
        ({"boundObjectRef": {"kind": "Pod", "name": "none"}}, 404, 'pods "none" not found'),
        ({"boundObjectRef": {"kind": "Job", "name": "a"}}, 422, "supported values"),
    ],
)
def test_token_that_cannot_be_is_refused(
    account: Account, spec: dict[str, Any], code: int, message: str
) -> None:
    answer = account.token_of(**spec)

    assert answer.code == code
    assert message in answer.body["message"]


def test_pod_gets_its_accounts_token_unless_somebody_does_not_want_it(account: Account) -> None:
    def made(name: str, **spec: Any) -> Any:
        code, found = account.server.request("POST", f"{account.path}/pods", pod(name, **spec))
        assert code == 201, found
        return found["spec"]

    given = made("given")
    refused = made("refused", automountServiceAccountToken=False)
    account.server.request(
        "PATCH",
        f"{account.path}/serviceaccounts/default",
        {"automountServiceAccountToken": False},
        content_type="application/merge-patch+json",
    )

    volume = given["volumes"][0]
    (mount,) = given["containers"][0]["volumeMounts"]
    kinds = [next(iter(source)) for source in volume["projected"]["sources"]]
    assert kinds == ["serviceAccountToken", "configMap", "downwardAPI"]
    assert mount == {
        "name": volume["name"],
        "readOnly": True,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    }
    assert "volumes" not in refused
    assert "volumes" not in made("unwanted")
    assert "volumes" in made("wanted", automountServiceAccountToken=True)


def test_pod_of_an_account_that_is_not_there_is_refused(account: Account) -> None:
    code, answer = account.server.request(
        "POST", f"{account.path}/pods", pod("a", serviceAccountName="none")
    )

    assert code == 403
    assert answer["message"] == (
        f'pods "a" is forbidden: error looking up service account {account.namespace}/none:'
        ' serviceaccount "none" not found'
    )


def test_namespace_says_whom_its_pods_trust(account: Account) -> None:
    _, found = account.server.request("GET", f"{account.path}/configmaps/kube-root-ca.crt")

    assert found["data"]["ca.crt"] == account.server.ca.certificate_pem.decode()


@needs_modern
def test_kubectl_asks_for_tokens_and_rights(kubectl: Callable[..., str], account: Account) -> None:
    namespace = account.namespace
    as_account = (f"--as={account.user}", "-n", namespace)
    kubectl(
        *("create", "rolebinding", "reader", "--clusterrole=view", "-n", namespace),
        f"--serviceaccount={namespace}:default",
    )

    token = kubectl("create", "token", "default", "-n", namespace, "--duration=1h").strip()

    assert claims(token)["sub"] == account.user
    assert kubectl("auth", "can-i", "list", "pods", *as_account) == "yes\n"
    assert kubectl("auth", "can-i", "get", "secrets", *as_account, check=False) == "no\n"
    assert kubectl("auth", "can-i", "list", "pods", check=False) == "yes\n"
    assert "deployments.apps" in kubectl("auth", "can-i", "--list", *as_account)
    assert "cannot list resource" in kubectl("get", "nodes", *as_account, check=False)
    assert kubectl("get", "pods", *as_account, check=False).startswith("No resources found")


def test_another_name_is_taken_by_who_may(account: Account) -> None:
    path = f"{account.path}/secrets"
    token = account.token()
    as_admin = {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"}

    taken = account.server.exchange("GET", path, headers={"Impersonate-User": "jane"})
    grown = account.server.exchange("GET", path, headers=as_admin, token=token)

    assert taken.code == 403
    assert 'User "jane" cannot list' in taken.body["message"]
    assert grown.code == 403
    assert "cannot impersonate" in grown.body["message"]


def test_patch_that_would_make_an_object_needs_the_right_to_create(account: Account) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]}
    account.may(rule, namespace=account.namespace)
    token = account.token()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}

    def applied() -> int:
        path = f"{account.path}/configmaps/a?fieldManager=t"
        media = "application/apply-patch+yaml"
        return account.server.exchange("PATCH", path, body, content_type=media, token=token).code

    refused = applied()
    account.server.request("POST", f"{account.path}/configmaps", body)

    assert (refused, applied()) == (403, 200)


def test_group_without_a_user_is_nobodys_name(server: ServerProcess) -> None:
    answer = server.exchange("GET", "/api", headers={"Impersonate-Group": "g"})

    assert answer.code == 400


def test_namespace_that_lost_its_authority_has_it_again_after_a_start(
    own_server: ServerProcess,
) -> None:
    path = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt"
    own_server.request("DELETE", path)
    own_server.stop()

    own_server.start()

    assert own_server.request("GET", path)[0] == 200
