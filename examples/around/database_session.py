"""A database session for each task, by SQLAlchemy: committed if the handler returns, rolled back if it raises."""

import os
from collections.abc import Iterator

from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from arinova_agent_sync import ArinovaAgent, Task

engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///notes.db"))


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


Base.metadata.create_all(engine)
agent = ArinovaAgent()


@agent.around_task
def session(task: Task) -> Iterator[None]:
    with Session(engine) as session, session.begin():
        task.context["session"] = session
        yield


@agent.on_command("note")
def note(task: Task) -> str:
    task.context["session"].add(Note(text=task.arguments))
    if "secret" in task.arguments:
        raise ValueError("Secrets are not written down.")
    return "Noted."


@agent.on_task
def notes(task: Task) -> str:
    texts = task.context["session"].scalars(select(Note.text))
    return "\n".join(texts) or "Nothing yet: /note something"


agent.run()
