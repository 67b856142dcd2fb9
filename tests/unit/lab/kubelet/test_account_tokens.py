from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.unit.lab.kubelet.pod_samples import container_of, pod_of

from ciliate.lab.kubelet.account_tokens import PodTokens
from ciliate.lab.kubelet.volumes import TokenAsk
from ciliate.lab.objects import Pod

OWN = TokenAsk("", 1000)
OTHER = TokenAsk("vault", 600)


@dataclass
class Place:
    """Who gives tokens, and a clock."""

    now: float = 0.0
    asked: list[TokenAsk] = field(default_factory=list)

    async def give(self, pod: Pod, ask: TokenAsk) -> str:
        assert pod.metadata.name
        self.asked.append(ask)
        return f"{ask.audience}{len(self.asked)}"

    def tokens(self) -> PodTokens:
        ask: Callable[[Pod, TokenAsk], Awaitable[str]] = self.give
        return PodTokens(ask, lambda: self.now)


def pod(*asks: TokenAsk) -> Pod:
    """A pod whose volume shows these tokens."""
    sources = [
        {
            "serviceAccountToken": {
                "path": f"token-{number}",
                "audience": ask.audience,
                "expirationSeconds": ask.life_s,
            }
        }
        for number, ask in enumerate(asks)
    ]
    volume = {"name": "t", "projected": {"sources": sources}}
    return pod_of(container_of(), volumes=[volume])


async def test_pod_without_a_token_costs_no_request() -> None:
    place = Place()
    tokens = place.tokens()

    assert await tokens.read(pod()) == {}
    assert (place.asked, tokens.due_in_s()) == ([], None)


async def test_token_is_asked_for_once_until_four_fifths_of_its_life() -> None:
    place = Place()
    tokens = place.tokens()

    first = await tokens.read(pod(OWN))
    place.now = 799.0
    still = await tokens.read(pod(OWN))
    place.now = 800.0
    due = tokens.due_in_s()
    renewed = await tokens.read(pod(OWN))

    assert (first, still, renewed) == ({OWN: "1"}, {OWN: "1"}, {OWN: "2"})
    assert due == 0
    assert tokens.due_in_s() == 800


async def test_only_the_token_that_is_due_is_renewed() -> None:
    place = Place()
    tokens = place.tokens()
    await tokens.read(pod(OWN, OTHER))
    assert tokens.due_in_s() == 480

    place.now = 480.0
    await tokens.read(pod(OWN, OTHER))

    assert sorted(place.asked[:2], key=str) == sorted([OWN, OTHER], key=str)
    assert place.asked[2:] == [OTHER]


async def test_long_lives_are_renewed_daily() -> None:
    tokens = Place().tokens()

    await tokens.read(pod(TokenAsk("", 10**7)))

    assert tokens.due_in_s() == 24 * 3600


async def test_renewal_that_failed_comes_again_after_a_pause() -> None:
    place = Place()
    tokens = place.tokens()
    await tokens.read(pod(OWN))
    place.now = 800.0

    tokens.postpone()

    assert tokens.due_in_s() == 30
