"""One request in, one response out: which part of the server answers which path."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
from aiohttp import web

from ciliate.apiserver import discovery, errors, warnings
from ciliate.apiserver.authenticator import Authenticator
from ciliate.apiserver.handlers import Verbs, json_response
from ciliate.apiserver.identity import User
from ciliate.apiserver.openapi import OpenApi
from ciliate.apiserver.patches import APPLY_PATCH
from ciliate.apiserver.pods import PodSubresources
from ciliate.apiserver.proxies import Proxies
from ciliate.apiserver.rbac import Asked
from ciliate.apiserver.refused_kinds import check_refusal
from ciliate.apiserver.requests import RequestTarget, asked_of, media_type, parse_target
from ciliate.apiserver.resources import Registry
from ciliate.apiserver.reviews import Reviews, is_review
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.token_requests import TokenRequests

_log: Final = logging.getLogger(__name__)
_encode: Final = msgspec.json.Encoder().encode

Answer = Callable[[RequestTarget, web.BaseRequest], Awaitable[web.StreamResponse]]

#: What kubectl asks for since 1.27.
_AGGREGATED: Final = "as=APIGroupDiscoveryList"
_WRITES: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(slots=True)
class Dispatcher:
    """Finds the handler of a request, and turns errors into Status objects."""

    registry: Registry
    verbs: Verbs
    pods: PodSubresources
    proxies: Proxies
    authenticator: Authenticator
    reviews: Reviews
    tokens: TokenRequests
    openapi: OpenApi
    version: JsonObject
    advertise_url: str
    _documents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    _generation: int = -1

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, with the warnings that came up."""
        warnings.begin()
        response = await self._answer(request)
        if not response.prepared:  # A stream has sent its headers, with those known by then.
            warnings.attach(response)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._route(request)
        except errors.StatusError as error:
            if error.code >= 500:
                _log.warning("%s %s: %s", request.method, request.path, error)
            response = json_response(_encode(error.status()), status=error.code)
            if error.code == 401:
                response.force_close()  # Who is nobody keeps no connection.
            return response
        except errors.StoreError as error:
            status = errors.internal(str(error)).status()
            return json_response(_encode(status), status=500)

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        user = self.authenticator.user_of(request)
        if path.startswith(("/api/", "/apis/")):
            parts = [part for part in path.split("/") if part]
            if len(parts) > (2 if parts[0] == "api" else 3):
                return await self._resource(path, request, user)
        authorizer = self.authenticator.authorizer
        authorizer.require(user, Asked(verb=request.method.lower(), path=path))
        if request.method not in {"GET", "HEAD"}:
            raise errors.method_not_allowed()
        return self._document(path, request)

    async def _resource(
        self, path: str, request: web.BaseRequest, user: User
    ) -> web.StreamResponse:
        if is_review(path):
            return await self.reviews.answer(path, request, user)
        target = parse_target(self.registry, path)
        if not user.is_unbounded:
            self._authorize(user, target, request)
        check_refusal(target)
        if target.resource.deprecation:
            warnings.warn(target.resource.deprecation)
        if target.resource.note and request.method in _WRITES and not target.subresource:
            warnings.warn(f"{target.resource.kind} is {target.resource.note}")
        if target.subresource == "proxy":
            return await self.proxies.answer(target, request)
        if target.subresource == "token":
            return await self.tokens.answer(target, request)
        special = self.pods.answer_for(target, request.method)
        answer = special if special is not None else self._verb(target, request)
        return await answer(target, request)

    def _authorize(self, user: User, target: RequestTarget, request: web.BaseRequest) -> None:
        """Let a request pass that its client may make; one that would make an object asks twice.

        Raises:
            StatusError: It may not (403).
        """
        asked = asked_of(target, request)
        authorizer = self.authenticator.authorizer
        authorizer.require(user, asked)
        media = media_type(request.headers.get("Content-Type", ""))
        may_make = request.method == "PUT" or media == APPLY_PATCH
        key = (target.namespace, target.name)
        if (
            may_make
            and not target.subresource
            and not self.verbs.store.get(target.resource.id, key)
        ):
            authorizer.require(user, replace(asked, verb="create"))

    def _verb(self, target: RequestTarget, request: web.BaseRequest) -> Answer:
        verbs = self.verbs
        if request.method in {"GET", "HEAD"}:
            return verbs.read
        if not target.name:
            if target.resource.namespaced and not target.in_namespace:
                # Over all namespaces there is only reading.
                raise errors.method_not_allowed()
            return self._collection_verb(request.method)
        found: dict[str, Answer] = {
            "PUT": verbs.replace,
            "PATCH": verbs.patch,
            "DELETE": verbs.delete,
        }
        if request.method not in found or (target.subresource and request.method == "DELETE"):
            raise errors.method_not_allowed()
        return found[request.method]

    def _collection_verb(self, method: str) -> Answer:
        if method == "POST":
            return self.verbs.create
        if method == "DELETE":
            return self.verbs.delete_collection
        raise errors.method_not_allowed()

    def _document(self, path: str, request: web.BaseRequest) -> web.Response:
        if path in {"/healthz", "/livez", "/readyz"} or path.startswith(("/livez/", "/readyz/")):
            return web.Response(text="ok")
        if self._generation != self.registry.generation:
            self._documents.clear()
            self._generation = self.registry.generation
        if path.startswith("/openapi/"):
            return self.openapi.answer(path, request.headers.get("Accept", ""))
        accept = request.headers.get("Accept", "") if path in {"/api", "/apis"} else ""
        form = accept if _AGGREGATED in accept else ""
        found = self._documents.get((path, form))
        if found is None:
            document = self._render(path.rstrip("/"), form)
            if document is None:
                raise errors.path_not_found()
            found = self._documents[path, form] = _encode(document)
        response = json_response(found)
        if form:
            version = "v2" if "v=v2;" in form else "v2beta1"
            response.headers["Content-Type"] = (
                f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            )
        return response

    def _render(self, path: str, form: str) -> JsonObject | None:
        if path in {"/api", "/apis"} and form:
            version = "v2" if "v=v2;" in form else "v2beta1"
            return discovery.aggregated(self.registry, core=path == "/api", version=version)
        match path.split("/")[1:]:
            case ["version"]:
                return self.version
            case ["api"]:
                return discovery.api_versions(self.advertise_url.removeprefix("https://"))
            case ["apis"]:
                return discovery.api_group_list(self.registry)
            case ["api", version]:
                return discovery.resource_list(self.registry, "", version)
            case ["apis", group]:
                return discovery.api_group(self.registry, group)
            case ["apis", group, version]:
                return discovery.resource_list(self.registry, group, version)
            case [""] | []:
                return {
                    "paths": [
                        "/api",
                        "/apis",
                        "/healthz",
                        "/openapi/v2",
                        "/openapi/v3",
                        "/version",
                    ]
                }
            case _:
                return None
