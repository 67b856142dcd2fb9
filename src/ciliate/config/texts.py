"""The texts in force: what `cilium-config` says, and each key's default where it says nothing. Pure.

Groups of settings are read out of these, each in a module of its own or in `config.settings`.
"""

from collections.abc import Mapping

from ciliate.config import values
from ciliate.config.keys import KEYS
from ciliate.errors import SettingError
from ciliate.net.address import IPAddress, IPNetwork


class Texts:
    """The texts in force, with defaults; each is checked before any is used."""

    def __init__(self, config: Mapping[str, str]) -> None:
        """Raise SettingError where a text is not one that its key takes."""
        self.effective = {
            key.name: config.get(key.name) or key.default or ""
            for key in KEYS.values()
            if key.supported
        }
        for name, text in config.items():
            if name in KEYS:
                KEYS[name].check(text)

    def text(self, name: str) -> str:
        """Return the text itself, empty where the key is unset."""
        return self.effective[name]

    def flag(self, name: str) -> bool:
        """Return what a switch says."""
        return values.read_bool(self.text(name))

    def number(self, name: str) -> int:
        """Return the number, 0 where the key is unset."""
        return values.read_int(self.text(name) or "0")

    def address(self, name: str) -> IPAddress | None:
        """Return the address, or None where the key is unset."""
        return values.read_address(self.text(name)) if self.text(name) else None

    def prefix(self, name: str) -> IPNetwork | None:
        """Return the prefix, or None where the key is unset."""
        return values.read_cidr(self.text(name)) if self.text(name) else None

    def check_bounds(
        self, bounds: Mapping[str, tuple[int, int]], *, zero_is_unset: bool = True
    ) -> None:
        """Accept the numbers of these keys, each unset or between its least and its most.

        Raises:
            SettingError: One is not.
        """
        for name, (least, most) in bounds.items():
            number = self.number(name)
            is_unset = not self.text(name) or (number == 0 and zero_is_unset)
            if not is_unset and not least <= number <= most:
                raise SettingError(
                    key=name,
                    value=self.text(name),
                    problem="is out of range",
                    remedy=f"choose between {least} and {most}, or leave it out",
                )
