"""A cancel that reaches the HTTP clients of models: ``interruptible``. Nothing here is loaded before it is used.

``scope`` decides who may shut what down, ``sockets`` does it, ``httpcore_pools`` and ``urllib3_pools`` put it into
the two HTTP stacks, ``sleeps`` sees to the waits between retries, ``clients`` finds the stack inside a client.
"""
