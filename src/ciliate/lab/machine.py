"""Making a lab's machines: namespaces, files, wires.

Machines are made in threads, several at once: almost all of the time goes to the kernel. The
switch and the internet machine come first, since every other one is plugged into them while it is
made; when all exist, the far ends are set up in one go.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from ciliate.lab import links
from ciliate.lab.machine_root import Visible, build_root
from ciliate.lab.namespaces import in_namespaces, make_namespaces, set_hostname
from ciliate.lab.paths import LabPaths
from ciliate.lab.topology import INTERNET, SWITCH, Machine, Role

#: Machines being made at the same time; the kernel's own locks let few more through.
_WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class MachineMaker:
    """Makes machines of one lab."""

    paths: LabPaths
    visible: Visible
    dual_stack: bool

    def make_all(self, machines: Sequence[Machine]) -> None:
        """Make the machines of a new lab and wire them."""
        infrastructure = [m for m in machines if m.role in (Role.SWITCH, Role.INTERNET)]
        plugged = [m for m in machines if m not in infrastructure]
        with ThreadPoolExecutor(_WORKERS, "machine") as pool:
            list(pool.map(self._make, infrastructure))
            list(pool.map(self._make, plugged))
            self.plug_in(plugged)

    def add(self, machine: Machine) -> None:
        """Make one more machine and plug it in."""
        self._make(machine)
        self.plug_in([machine])

    def plug_in(self, machines: Sequence[Machine]) -> None:
        """Set up the far ends of the machines' wires."""
        switch = [words for m in machines for words in links.switch_words(m)]
        internet = [
            words
            for m in machines
            for words in links.internet_words(m, dual_stack=self.dual_stack)
        ]
        rules = [words for m in machines for words in links.internet_rules(m, add=True)]
        marks = links.internet_marks(machines)

        def on_internet() -> None:
            links.run_ip(INTERNET, internet + rules)
            if self.dual_stack:
                links.run_ip(INTERNET, rules, family=6)
            links.run_nft(INTERNET, marks)

        with ThreadPoolExecutor(2, "plug") as pool:
            ends = [
                pool.submit(in_namespaces, self.paths.pins(INTERNET), on_internet, ("net",)),
                pool.submit(
                    in_namespaces,
                    self.paths.pins(SWITCH),
                    partial(links.run_ip, SWITCH, switch),
                    ("net",),
                ),
            ]
        for end in ends:
            end.result()

    def _make(self, machine: Machine) -> None:
        def inside() -> None:
            set_hostname(machine.name)
            self._wire(machine)
            build_root(self.paths, machine.name, self.visible)

        make_namespaces(self.paths.pins(machine.name), inside=inside)

    def _wire(self, machine: Machine) -> None:
        # Before the links: what they take over from `default` must be right when they are made.
        links.write_settings(links.settings(machine))
        words = links.machine_words(machine, dual_stack=self.dual_stack, pins=self.paths.folder)
        links.run_ip(machine.name, words)
        if machine.role is Role.ROUTER:
            links.make_loops(machine.name, dual_stack=self.dual_stack)
        if machine.role is Role.INTERNET:
            links.run_nft(machine.name, links.INTERNET_RULESET)
