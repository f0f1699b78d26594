"""Find out whether the SDK loses answers: ``make chaos``, ``python -m tests.chaos --help``.

    truth.py         what a server knows of its agents' tasks; no socket
    truth_server.py  its sockets
    pipe.py          a connection through the proxy, and what each fault does to it
    fault_proxy.py   the proxy before the server: draws faults by a seed, and counts them
    process.py       both in a process of their own
    plans.py         what a handler says to a task, drawn from the task's id
    fleet.py         the agents, and what they did and told
    judge.py         what they said against what the server holds
    chaos.py         a run of all of it

A run ends with a blackout: ``disconnect()`` has to tell what it could not deliver. With ``--explain 3``
three losses of each kind are shown as timelines of what the agent did, the proxy injected and the server read.
"""
