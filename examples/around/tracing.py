"""A span of OpenTelemetry around each task, with its error if the handler raises; here they are printed."""

from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from arinova_agent_sync import ArinovaAgent, Task

provider = TracerProvider()
provider.add_span_processor(
    SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.to_json(None) + "\n"))
)
tracer = provider.get_tracer("agent")
agent = ArinovaAgent()


@agent.around_task
def span(task: Task) -> Iterator[None]:
    with tracer.start_as_current_span("task") as span:
        span.set_attribute("arinova.task_id", task.task_id)
        yield


@agent.on_task
def handle(task: Task) -> str:
    # Whatever an instrumented library does in here becomes a child of the task's span.
    trace.get_current_span().add_event("thinking")
    return task.content.upper()


agent.run()
