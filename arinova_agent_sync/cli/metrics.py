"""The numbers of agents for Prometheus: everything that ``stats()`` counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..agent import ArinovaAgent
from ..executors.protocol import ExecutorStats
from ..measures import measures_of
from ..protocol.life import Life
from ..runtime.state import LinkState
from ..runtime.stats import Stats

_STATES: Mapping[str, type[Life] | type[LinkState]] = {"life": Life, "link": LinkState}


class AgentMetrics(Collector):
    """Collect the numbers of agents when they are asked for.

    Each agent goes by its place: its name is known only once it has been connected, and need not be its alone.

    Args:
        agents: returns the agents of this process, always in the same order.
    """

    def __init__(self, agents: Callable[[], Sequence[ArinovaAgent]]) -> None:
        self._agents = agents

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment."""
        agents = [(str(place), agent) for place, agent in enumerate(self._agents(), 1)]
        stats = [(place, agent.stats()) for place, agent in agents]
        names = GaugeMetricFamily("arinova_agent_info", "Which agent it is.", labels=("agent", "name", "id"))
        for place, agent in agents:
            names.add_metric((place, agent.agent_name or "", agent.agent_id or ""), 1)
        yield names
        for name, states in _STATES.items():
            family = GaugeMetricFamily(
                f"arinova_{name}", f"1 for the {name} that it is in.", labels=("agent", name)
            )
            for place, each in stats:
                for state in states:
                    family.add_metric((place, state.value), getattr(each, name) == state.value)
            yield family
        yield from _families("arinova_", Stats, ("agent",), [((place,), each) for place, each in stats])
        executors = [
            ((place, *label), each) for place, of in stats for label, each in _told_apart(of.executors)
        ]
        if executors:
            yield from _families("arinova_executor_", ExecutorStats, ("agent", "executor"), executors)


def _families(
    prefix: str, kind: type, labels: Sequence[str], found: Sequence[tuple[Sequence[str], object]]
) -> Iterable[Metric]:
    for measure in measures_of(kind):
        make = CounterMetricFamily if measure.grows else GaugeMetricFamily
        family = make(
            prefix + measure.name, f"{measure.meaning[0].upper()}{measure.meaning[1:]}.", labels=labels
        )
        for values, each in found:
            family.add_metric(values, getattr(each, measure.name))
        yield family


def _told_apart(executors: Sequence[ExecutorStats]) -> Iterable[tuple[tuple[str], ExecutorStats]]:
    """Return executors by name, with a number behind a name that another one has, too."""
    seen: dict[str, int] = {}
    for each in executors:
        seen[each.name] = number = seen.get(each.name, 0) + 1
        yield ((each.name if number == 1 else f"{each.name} {number}",), each)
