"""`console/nearest.py`: a wrong name is answered with what it may have been."""

from ciliate.console.nearest import meant


def test_nearest_name_is_asked_about() -> None:
    nodes = [f"k8s-w{number}" for number in range(1, 40)]

    assert meant("k8s-w3O", nodes) == " (did you mean k8s-w3?)"
    assert meant("k8sw12", nodes) == " (did you mean k8s-w12?)"


def test_name_like_none_is_not_guessed() -> None:
    assert meant("router", ["k8s-ctr", "k8s-w1"]) == ""
    assert meant("k8s-ctr", []) == ""
