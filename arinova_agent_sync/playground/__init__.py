"""The playground: a local Arinova Chat in the browser, to meet an agent before it has an account.

``arinova-agent playground my_agent.py`` starts the embedded server and the agent against it and opens a chat,
with every frame, the timeline of every task and faults at the press of a button beside it.
"""
